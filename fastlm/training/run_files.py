"""Names of the files of a run."""

from __future__ import annotations

import os
import re
from pathlib import Path

from fastlm.types import FilePath

__all__ = [
    "checkpoint_beside",
    "metrics_beside",
    "model_beside",
    "numbered_checkpoints",
    "samples_beside",
]


def checkpoint_beside(model: FilePath) -> Path:
    """Return the checkpoint of a model's run: m.safetensors has m.checkpoint.safetensors."""
    return _beside(Path(model), "checkpoint.safetensors")


def metrics_beside(model: FilePath) -> Path:
    """Return the metrics file of a model's run: m.safetensors has m.metrics.jsonl."""
    return _beside(Path(model), "metrics.jsonl")


def samples_beside(model: FilePath) -> Path:
    """Return the file of samples of a model's run: m.safetensors has m.samples.jsonl."""
    return _beside(Path(model), "samples.jsonl")


def _beside(model: Path, ending: str) -> Path:
    stem = model.stem if model.suffix == ".safetensors" else model.name
    return model.with_name(f"{stem}.{ending}")


def model_beside(checkpoint: FilePath) -> Path:
    """Return the model that belongs to a checkpoint named as above; that of a model is itself."""
    path = Path(checkpoint)
    stem = re.sub(r"(\.checkpoint(-\d+)?)?\.safetensors$", "", path.name)
    return path.with_name(f"{stem}.safetensors")


def numbered_checkpoints(path: FilePath) -> list[Path]:
    """Return the older checkpoints kept beside ``path``, the newest first."""
    path = Path(path)
    pattern = re.compile(rf"{re.escape(path.stem)}-(\d+){re.escape(path.suffix)}")
    try:
        matches = [pattern.fullmatch(name) for name in os.listdir(path.parent)]
    except OSError:
        return []
    steps = {int(match[1]): match[0] for match in matches if match is not None}
    return [path.with_name(steps[step]) for step in sorted(steps, reverse=True)]
