"""When is a checkpoint written, where, and which one does a run go on from?"""

from __future__ import annotations

import contextlib
import math
import os
import re
import time
from pathlib import Path
from typing import Any

from fastlm.checks import check_whole
from fastlm.errors import ConfigError, ModelFileError
from fastlm.model.model_file import read_metadata
from fastlm.system.atomic_file import reason_of, remove_stale, replace_file
from fastlm.training.checkpoint import ENDED, Checkpoint, read_checkpoint, write_checkpoint
from fastlm.training.run_files import numbered_checkpoints
from fastlm.types import FilePath

__all__ = ["CheckpointFiles", "Interval", "check_unfinished", "newest_checkpoint"]


def newest_checkpoint(path: FilePath) -> tuple[Checkpoint, str | None]:
    """The newest valid checkpoint among ``path`` and the older ones kept beside it, and a line to
    say when it is not ``path``.

    Raises ModelFileError, with what is wrong with ``path``, when there is none.
    """
    try:
        return read_checkpoint(path), None
    except ModelFileError as error:
        for older in numbered_checkpoints(path):
            try:
                checkpoint = read_checkpoint(older)
            except ModelFileError:
                continue
            return checkpoint, f"{error}; going on from {older}, step {checkpoint.run.step:,}"
        if not Path(path).exists():
            raise ModelFileError(
                f"there is no checkpoint {path} to resume from; check the name, or leave the "
                "resuming out to start"
            ) from None
        raise


class Interval:
    """How often to write: "60", "60s", "5m", "1h", or "2000 steps".

    seconds, steps : one of them is None
    """

    def __init__(self, text: str | float) -> None:
        form = str(text).strip().lower()
        match = re.fullmatch(
            r"(\d+(?:\.\d*)?|\.\d+)\s*(s|sec|seconds|m|min|minutes|h|hours|steps?)?", form
        )
        number = float(match[1]) if match else 0.0
        unit = (match[2] or "s") if match else ""
        self.seconds: float | None = None
        self.steps: int | None = None
        if unit.startswith("step") and number.is_integer():
            self.steps = int(number)
        elif match and not unit.startswith("step"):
            self.seconds = number * {"s": 1, "m": 60, "h": 3600}[unit[0]]
        if not (self.steps or self.seconds):
            raise ConfigError(
                f"checkpoint_every is {text!r}; give a time such as 60s or 5m, or '2000 steps'"
            )


class CheckpointFiles:
    """Where a run writes its checkpoints, and how often.

    path : of the newest one
    every : see ``Interval``
    keep : how many older ones stay beside it, named by their step
    written_step : of the file at ``path``, None while this run has written none
    """

    def __init__(self, path: FilePath, every: str | float = "60s", keep: int = 0) -> None:
        check_whole("keep", keep, 0)
        self.path = Path(path)
        self.interval = Interval(every)
        self.keep = keep
        self.written_step: int | None = None
        self._last = time.monotonic()

    def start(self, resumed_step: int | None = None) -> None:
        """Begin a run: remove what killed writers left; the interval runs from now."""
        remove_stale(self.path)
        self.written_step = resumed_step
        self._last = time.monotonic()

    def due(self, step: int) -> bool:
        """Whether to write after ``step`` steps."""
        if self.interval.steps is not None:
            return step % self.interval.steps == 0 and step != self.written_step
        assert self.interval.seconds is not None
        return time.monotonic() - self._last >= self.interval.seconds

    def next_step(self, step: int) -> float:
        """The step at which one is due next, infinite where it goes by the clock."""
        every = self.interval.steps
        return math.inf if every is None else (step // every + 1) * every

    def write(self, step: int, **content: Any) -> None:
        """Write the checkpoint of ``step``; raises ModelFileError when it cannot be written."""
        self._last = time.monotonic()
        first = self.written_step is None
        if self.keep and self.written_step not in (None, step):
            self._keep_copy()
        write_checkpoint(self.path, **content)
        self.written_step = step
        self._last = time.monotonic()
        # At first there are only those of a run before, which this one replaces.
        for older in numbered_checkpoints(self.path)[0 if first else self.keep :]:
            with contextlib.suppress(OSError):
                older.unlink()

    def _keep_copy(self) -> None:
        """Give the checkpoint that is to be replaced a second name, of its step."""
        older = self.path.with_name(f"{self.path.stem}-{self.written_step:010d}{self.path.suffix}")
        try:
            older.unlink(missing_ok=True)
            try:
                os.link(self.path, older)
            except OSError:  # a file system without second names
                replace_file(older, [self.path.read_bytes()])
        except OSError as error:
            raise ModelFileError(
                f"cannot keep the checkpoint of step {self.written_step} as {older}: "
                f"{reason_of(error)}; free some space"
            ) from None


def check_unfinished(path: FilePath) -> None:
    """ConfigError where a new run would overwrite a checkpoint of a run that can go on, or a file
    that is no checkpoint."""
    path = Path(path)
    try:
        if not path.exists() or (path.is_file() and not path.stat().st_size):
            return
        metadata = read_metadata(path)
    except (OSError, ModelFileError) as error:
        raise ConfigError(f"{error}: remove it, or name another checkpoint") from None
    if metadata.get("kind") != "checkpoint":
        raise ConfigError(
            f"{path} exists and is not a checkpoint, so it is not overwritten; name another file"
        )
    run = metadata.get("run")
    if metadata.get("reason") not in ENDED and isinstance(run, dict):
        raise ConfigError(
            f"{path} is the checkpoint of a run that has not ended (step {run.get('step')}); go on "
            "with --resume, or begin anew with --restart, which drops it"
        )
