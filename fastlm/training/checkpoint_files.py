"""The checkpoint files of a run: when one is written, where, and from which a run resumes."""

from __future__ import annotations

import contextlib
import math
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

from fastlm.checks import check_whole
from fastlm.errors import ConfigError, ModelFileError
from fastlm.model.model_file import read_metadata
from fastlm.system.atomic_file import reason_of, remove_stale, replace_file
from fastlm.training.checkpoint import ENDED, Checkpoint, read_checkpoint, write_checkpoint
from fastlm.training.run_files import numbered_checkpoints
from fastlm.types import FilePath

__all__ = ["CheckpointFiles", "Interval", "check_unfinished", "newest_checkpoint"]


def newest_checkpoint(path: FilePath) -> tuple[Checkpoint, str | None]:
    """Read the newest sound checkpoint among ``path`` and the older ones kept beside it.

    Returns
    -------
    Checkpoint
    str or None
        A line for people if it is not that of ``path``.

    Raises
    ------
    ModelFileError
        If there is none; the message says what is wrong with ``path``.
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
                f"there is no checkpoint {path} to resume from; check the name, or start a new "
                "run without resuming"
            ) from None
        raise


class Interval:
    """The interval between two checkpoints.

    Parameters
    ----------
    text : str or float
        A duration such as "60s", "5m" or "1h" (a number alone: seconds), or "2000 steps".

    Attributes
    ----------
    seconds : float, optional
    steps : int, optional
        One of the two is None.

    Raises
    ------
    ConfigError
        For anything else, and for zero.
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
    """The checkpoint files of one run.

    Parameters
    ----------
    path : path
        Of the newest checkpoint.
    every : str or float
        When to write one: see ``Interval``.
    keep : int
        How many older ones stay beside it, named by their step.

    Attributes
    ----------
    written_step : int, optional
        Step of the checkpoint at ``path``; None if this run has not written one yet.

    Raises
    ------
    ConfigError
        For an ``every`` or a ``keep`` that cannot be used.
    """

    def __init__(self, path: FilePath, every: str | float = "60s", keep: int = 0) -> None:
        check_whole("keep", keep, 0)
        self.path = Path(path)
        self.interval = Interval(every)
        self.keep = keep
        self.written_step: int | None = None
        self._written_reason = ""
        self._failed = False
        self._started = False
        self._last = time.monotonic()

    def start(self, resumed: Checkpoint | None = None) -> None:
        """Begin a run, or go on from a checkpoint: remove what killed writers left behind.

        The interval runs from now. A second call does nothing.
        """
        if self._started:
            return
        self._started = True
        remove_stale(self.path)
        if resumed is not None:
            self.written_step, self._written_reason = resumed.run.step, resumed.reason
        self._last = time.monotonic()

    def due(self, step: int) -> bool:
        """Tell whether to write a checkpoint after ``step`` steps."""
        if self.interval.steps is not None:
            return step % self.interval.steps == 0 and step != self.written_step
        assert self.interval.seconds is not None
        return time.monotonic() - self._last >= self.interval.seconds

    def next_step(self, step: int) -> float:
        """Return the step at which one is due next, infinite if time decides."""
        every = self.interval.steps
        return math.inf if every is None else (step // every + 1) * every

    def has(self, step: int, reason: str) -> bool:
        """Tell whether the newest checkpoint is that of ``step`` and ``reason``."""
        return (self.written_step, self._written_reason) == (step, reason)

    def save(self, checkpoint: Checkpoint, flush: Callable[[], None]) -> str | None:
        """Write a checkpoint; a failure does not raise, since training continues.

        Parameters
        ----------
        checkpoint : Checkpoint
        flush : callable
            Called first, to bring to the disk what the checkpoint relies on; it may raise OSError.

        Returns
        -------
        str or None
            A line for people if it could not be written, or if one can be written again.
        """
        step, failed_before = checkpoint.run.step, self._failed
        try:
            flush()
            self._write(checkpoint)
        except (ModelFileError, OSError) as error:
            self._failed = True
            kept = "there is none yet"
            if self.written_step is not None:
                kept = f"that of step {self.written_step:,} stays"
            return f"no checkpoint at step {step:,}, {kept}: {error}"
        self._failed = False
        return f"checkpoints are written again, at step {step:,}" if failed_before else None

    def _write(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint, and remove those that are too many."""
        self._last = time.monotonic()
        first, step = self.written_step is None, checkpoint.run.step
        if self.keep and self.written_step not in (None, step):
            self._keep_copy()
        write_checkpoint(self.path, checkpoint)
        self.written_step, self._written_reason = step, checkpoint.reason
        self._last = time.monotonic()
        # Before the first one, the older ones are those of another run, which this one replaces.
        for older in numbered_checkpoints(self.path)[0 if first else self.keep :]:
            with contextlib.suppress(OSError):
                older.unlink()

    def _keep_copy(self) -> None:
        """Give the checkpoint that is to be replaced a second name, that of its step."""
        older = self.path.with_name(f"{self.path.stem}-{self.written_step:010d}{self.path.suffix}")
        try:
            older.unlink(missing_ok=True)
            try:
                os.link(self.path, older)
            except OSError:  # a file system without hard links
                replace_file(older, [self.path.read_bytes()])
        except OSError as error:
            raise ModelFileError(
                f"cannot keep the checkpoint of step {self.written_step} as {older}: "
                f"{reason_of(error)}; free some space"
            ) from None


def check_unfinished(path: FilePath) -> None:
    """Check that a new run may write its checkpoints to ``path``.

    Raises
    ------
    ConfigError
        If ``path`` is the checkpoint of a run that has not ended, or another file.
    """
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
