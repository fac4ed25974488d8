"""Runs as curves: from a metrics file, or from a model or checkpoint and what lies beside it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastlm.api.history import sound_rows
from fastlm.api.samples import read_samples
from fastlm.errors import ConfigError, MissingFileError, ModelFileError
from fastlm.model.model_file import read_metadata
from fastlm.pictures.curves import Curve, Point, Sample, averaged
from fastlm.system.json_values import NUMBER, WHOLE
from fastlm.training.metrics import read_rows
from fastlm.training.run_files import metrics_beside, model_beside, samples_beside
from fastlm.types import FilePath
from fastlm.wording import setting

__all__ = ["read_runs"]

_METRICS = ".metrics.jsonl"


def read_runs(paths: Sequence[FilePath]) -> list[Curve]:
    """Return the curve of each run; those of one name are told apart by their paths.

    Parameters
    ----------
    paths : sequence of path
        Of each run its metrics file, its model, or its checkpoint. Beside a model lie its metrics
        (m.metrics.jsonl) and samples (m.samples.jsonl); without metrics the history counts that
        the model itself has.

    Raises
    ------
    ConfigError
        For a file that is none of these, and a run without losses.
    ModelFileError
        For a model that cannot be read.
    """
    curves = []
    for path in map(Path, paths):
        names = [_name(Path(other)) for other in paths]
        name = _name(path) if names.count(_name(path)) == 1 else str(path)
        curves.append(_read_run(path, name))
    return curves


def _name(path: Path) -> str:
    return re.sub(r"(\.metrics\.jsonl|(\.checkpoint(-\d+)?)?\.safetensors)$", "", path.name)


def _read_run(path: Path, name: str) -> Curve:
    if _holds_rows(path):
        rows = _sound(read_rows(path))
        model = path.with_name(path.name.removesuffix(_METRICS) + ".safetensors")
        stop = max((row["step"] for row in rows), default=0)
        train, window = averaged(rows)
        valid = _validations(rows)
        beside = path
    else:
        train, window, valid, stop = _of_model(path)
        model, beside = model_beside(path), metrics_beside(model_beside(path))
    if not train and not valid:
        raise ConfigError(
            f"{path} has no losses to plot: there was no validation, and {beside} holds none; "
            f"train on, or with {setting('valid')}"
        )
    samples = [Sample(*each) for each in read_samples(samples_beside(model)) if each[0] <= stop]
    return Curve(name, train, valid, window, samples)


def _of_model(path: Path) -> tuple[list[Point], int, list[Point], float]:
    """Return the training losses, their window, the validations and the last step of a model."""
    try:
        metadata = read_metadata(path)
    except ModelFileError:
        if path.exists() and path.suffix != ".safetensors":
            raise ConfigError(
                f"{path} holds no run; name a model, a checkpoint or a .metrics.jsonl"
            ) from None
        raise
    details: dict[str, Any] = metadata.get("details") or {}
    history = sound_rows(details if isinstance(details, dict) else {})
    step: Any = details.get("step") if isinstance(details, dict) else None
    if metadata.get("kind") == "checkpoint":
        step = (metadata.get("run") or {}).get("step", step)
    stop = float(step) if WHOLE.holds(step) else math.inf
    valid = [_point(row, "valid_loss") for row in history]
    beside = metrics_beside(model_beside(path))
    if beside.is_file():
        rows = [row for row in _sound(read_rows(beside)) if row["step"] <= stop]
        train, window = averaged(rows)
        return train, window, valid or _validations(rows), stop
    train = [_point(row, "train_loss") for row in history if row["train_loss"] is not None]
    window = train[1].step - train[0].step if len(train) > 1 else 0
    return train, window, valid, stop


def _holds_rows(path: Path) -> bool:
    """Return whether a file is one of metrics; it may be that of a run that goes on."""
    try:
        with path.open("rb") as file:
            return file.read(8) == b'{"event"' and not path.name.endswith(".samples.jsonl")
    except FileNotFoundError:
        raise MissingFileError(f"there is no file {path}; name a model or its metrics") from None
    except (OSError, ValueError):
        return False


def _sound(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if WHOLE.holds(row["step"]) and isinstance(row["event"], str)]


def _validations(rows: list[dict[str, Any]]) -> list[Point]:
    points: list[Point] = []
    for row in rows:
        if row["event"] == "rollback":
            points = [point for point in points if point.step <= row["step"]]
        elif row["event"] == "validation" and NUMBER.holds(row.get("valid_loss")):
            points.append(_point(row, "valid_loss"))
    return points


def _point(row: dict[str, Any], name: str) -> Point:
    seconds: Any = row.get("seconds")
    return Point(
        row["step"], float(seconds) if NUMBER.holds(seconds) else math.nan, float(row[name])
    )


def read_speeds(path: Path) -> list[float]:
    """Return the tokens per second that a metrics file names; none where there is no file."""
    if not path.is_file():
        return []
    speeds: list[Any] = [row.get("tokens_per_second") for row in read_rows(path)]
    return [float(speed) for speed in speeds if NUMBER.holds(speed) and speed]
