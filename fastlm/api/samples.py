"""Samples while a model is trained: what it writes after each pass over the text.

A file of samples has a JSON line for each (UTF-8): ``{"event": "sample", "step": ..., "text":
...}``.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Unpack

from fastlm.callbacks import Callback, Progress, Start
from fastlm.checks import check_known, check_number, check_whole
from fastlm.display.place import say
from fastlm.errors import ConfigError
from fastlm.inference.generation import GenerationSettings
from fastlm.system.atomic_file import reason_of
from fastlm.system.json_values import TEXT, WHOLE
from fastlm.types import FilePath

__all__ = ["SampleEvery", "read_samples"]

_LENGTH = 100
_START = b'{"event": "sample"'


def read_samples(path: FilePath) -> list[tuple[int, str]]:
    """Return the samples of a file as (step, text); none where there is no such file."""
    try:
        lines = Path(path).read_bytes().splitlines()
    except (OSError, ValueError):
        return []
    return [sample for line in lines if (sample := _sample(line)) is not None]


def _sample(line: bytes) -> tuple[int, str] | None:
    """Return the sample of a line, None for a line that holds none."""
    try:
        row: Any = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or row.get("event") != "sample":
        return None
    step, text = row.get("step"), row.get("text")
    return (step, text) if WHOLE.holds(step) and TEXT.holds(text) else None  # type: ignore[return-value]


class SampleEvery(Callback):
    """A callback that shows what the model writes, at regular intervals of epochs or steps.

    Parameters
    ----------
    epochs : float, optional
        Passes over the text between two samples; without ``steps`` too, 1.
    steps : int, optional
        Steps between two samples, in place of epochs.
    prompt : str
    show : bool
        Whether to show each sample among the lines of the run; they are in ``samples`` anyway.
    file : path, optional
        Where samples are written too, a JSON line each, for ``fastlm plot``. A run that is
        resumed adds to its file, another one begins anew.
    **settings
        Those of ``LanguageModel.generate``; by default ``length=100`` and ``seed=0``, so that the
        samples differ by what the model has learnt only.

    Attributes
    ----------
    samples : list of (int, str)
        The step and the text of each sample.

    Raises
    ------
    ConfigError
        For a setting out of range, and a file that holds something else or cannot be written.
    """

    def __init__(
        self,
        epochs: float | None = None,
        *,
        steps: int | None = None,
        prompt: str = "",
        show: bool = True,
        file: FilePath | None = None,
        **settings: Unpack[GenerationSettings],
    ) -> None:
        if epochs is not None and steps is not None:
            raise ConfigError("epochs and steps are both given; choose one of them")
        check_known(
            settings,
            GenerationSettings.__annotations__,
            others=("epochs", "steps", "prompt", "show", "file"),
        )
        self._steps = check_whole("steps", steps, 1, or_none=True)
        self._epochs = check_number("epochs", epochs, above=0, or_none=True) or 1.0
        self._prompt = prompt
        self._show = show
        self._file = None if file is None else Path(file)
        if self._file is not None:
            _check_replaceable(self._file)
        self._settings: GenerationSettings = {"length": _LENGTH, "seed": 0}
        self._settings.update(settings)
        self._next: float | None = None
        self._is_resumed = False
        self.samples: list[tuple[int, str]] = []

    def on_start(self, start: Start) -> None:
        """Begin to count where the run does."""
        self._next = None
        self._is_resumed = start.step > 0
        if self._file is not None:
            kept = [] if start.step == 0 else read_samples(self._file)
            try:
                content = b"".join(_line(*each) for each in kept if each[0] <= start.step)
                self._file.write_bytes(content)
            except OSError as error:
                raise ConfigError(
                    f"cannot write samples to {self._file}: {reason_of(error)}; name another file"
                ) from None

    def on_progress(self, progress: Progress) -> None:
        """Take a sample if it is time, and at the end of the run."""
        every = self._steps or self._epochs
        done = progress.step if self._steps else progress.epoch
        if self._next is None:
            # What a resumed run has behind it was sampled before.
            self._next = every * (math.floor(done / every) + 1) if self._is_resumed else every
        if done < self._next and progress.fraction < 1:
            return
        self._next = every * (math.floor(done / every) + 1)
        if self.model is None:
            raise ConfigError("SampleEvery has no model; give it to fastlm.train or train_more")
        text = self.model.generate(self._prompt, **self._settings)
        self.samples.append((progress.step, text))
        if self._file is not None:
            try:
                with self._file.open("ab") as lines:
                    lines.write(_line(progress.step, text))
            except OSError:
                self._file = None  # a full disk stops no training
        if self._show:
            say("sample", text)


def _line(step: int, text: str) -> bytes:
    row = {"event": "sample", "step": step, "text": text}
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _check_replaceable(path: Path) -> None:
    """Raise ConfigError if a file is there that holds something else than samples."""
    try:
        with path.open("rb") as file:
            first = file.read(len(_START))
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"cannot write samples to {path}: {reason_of(error)}; name another file"
        ) from None
    if first and first != _START:
        raise ConfigError(
            f"{path} exists and does not hold samples of a run, so it is not overwritten; name "
            "another file, or remove it"
        )
