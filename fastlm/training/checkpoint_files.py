"""The checkpoint files of a run: when one is written, where, and from which a run resumes."""

from __future__ import annotations

import contextlib
import math
import os
import re
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.checks import shown
from fastlm.config import Config
from fastlm.engine.tokens import tokens_identity
from fastlm.engine.training import TrainingEngine
from fastlm.errors import ConfigError, ModelFileError
from fastlm.limits import check_setting
from fastlm.model.model_file import read_metadata
from fastlm.system.atomic_file import reason_of, remove_stale, replace_file
from fastlm.training.checkpoint import ENDED, Checkpoint, Origin, read_checkpoint, write_checkpoint
from fastlm.training.divergence import Snapshot
from fastlm.training.replaced_run import run_lock
from fastlm.training.reporting import Reporter
from fastlm.training.run_files import numbered_checkpoints
from fastlm.training.run_state import RunState
from fastlm.training.schedule import RunPlan
from fastlm.types import FilePath
from fastlm.wording import setting
from fastlm_kernels.runtime.arguments import Tokens

__all__ = [
    "CheckpointFiles",
    "CheckpointWriter",
    "Interval",
    "check_unfinished",
    "newest_checkpoint",
]


def newest_checkpoint(path: FilePath) -> tuple[Checkpoint, str | None]:
    """Read the newest sound checkpoint among ``path`` and the older ones kept beside it.

    Also returns a line for people if it is not that of ``path``. Raises ModelFileError if there is
    none; the message says what is wrong with ``path``.
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
    """The interval between two checkpoints, in ``seconds`` or in ``steps``; the other is None.

    ``text`` is a duration such as "60s", "5m" or "1h" (a number alone: seconds), or "2000 steps".
    Raises ConfigError for anything else, and for zero.
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
                f"checkpoint_every is {shown(text)}; give a time such as 60s or 5m, or '2000 steps'"
            )


class CheckpointFiles:
    """The checkpoint files of one run: ``path``, and the ``keep`` older ones beside it.

    ``every`` says when to write one: see ``Interval``. The older ones are named by their step.
    Not given, both are as before where a run is resumed, else 60 s and none.
    ``is_locked`` tells that the caller holds the lock of ``path``, which a run takes otherwise.
    ``written`` is (step, reason) of the checkpoint at ``path``, None if this run has none yet.
    Raises ConfigError for an ``every`` or a ``keep`` that cannot be used.
    """

    def __init__(
        self,
        path: FilePath,
        every: str | float | None = None,
        keep: int | None = None,
        *,
        is_locked: bool = False,
    ) -> None:
        keep = None if keep is None else check_setting("keep", keep)
        self.path = Path(path)
        self.is_locked = is_locked
        self._given = every, keep
        self.every = str(Checkpoint.every if every is None else every)
        self.interval = Interval(self.every)
        self.keep = keep or 0
        self.written: tuple[int, str] | None = None
        self._is_numbered = False  # whether the newest sound one has its number already
        self._started = False
        self._last = time.monotonic()

    def start(self, resumed: Checkpoint | None = None) -> None:
        """Begin or resume a run: remove what killed writers left; the interval runs from now.

        A second call does nothing.
        """
        if self._started:
            return
        self._started = True
        remove_stale(self.path)
        if resumed is not None:
            self.written = resumed.run.step, resumed.reason
            self._is_numbered = resumed.path != self.path
            every, keep = self._given
            if every is None:
                self.every, self.interval = resumed.every, Interval(resumed.every)
            if keep is None:
                older = len(numbered_checkpoints(self.path))
                self.keep = older if resumed.keep is None else resumed.keep
        self._last = time.monotonic()

    @property
    def written_step(self) -> int | None:
        """Step of the checkpoint at ``path``."""
        return None if self.written is None else self.written[0]

    def due(self, step: int, at_snapshot: bool = True) -> bool:
        """Tell whether to write a checkpoint after ``step`` steps.

        Elsewhere than at a snapshot the file would hold the snapshot too, and be two thirds larger:
        up to a tenth of the interval is waited for the next one.
        """
        if self.interval.steps is not None:
            return step % self.interval.steps == 0 and step != self.written_step
        assert self.interval.seconds is not None
        wait = self.interval.seconds * (1.0 if at_snapshot else 1.1)
        return time.monotonic() - self._last >= wait

    def next_step(self, step: int) -> float:
        """Return the step at which one is due next, infinite if time decides."""
        every = self.interval.steps
        return math.inf if every is None else (step // every + 1) * every

    def write(self, checkpoint: Checkpoint) -> None:
        """Write a checkpoint and remove older ones; raise ModelFileError if it fails."""
        self._last = time.monotonic()
        first, step = self.written_step is None, checkpoint.run.step
        if self.keep and self.written_step not in (None, step) and not self._is_numbered:
            self._keep_copy()
        write_checkpoint(self.path, checkpoint)
        self.written, self._is_numbered = (step, checkpoint.reason), False
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


@dataclass
class CheckpointWriter:
    """Writes the checkpoints of one run."""

    config: Config
    origin: Origin
    plan: RunPlan
    engine: TrainingEngine
    valid_tokens: Tokens | None
    reporter: Reporter
    _failed: bool = False

    @cached_property
    def corpus(self) -> dict[str, Any]:
        """What is trained and validated on, as checkpoints describe it."""
        valid = self.valid_tokens
        return {
            "train": tokens_identity(self.engine.tokens),
            "valid": None if valid is None else tokens_identity(valid),
            "description": self.origin.description,
            "recipe": self.origin.corpus_source,
        }

    def lock(self, files: CheckpointFiles | None) -> AbstractContextManager[None]:
        """Return what holds the lock of the files while a run writes them; see ``run_lock``."""
        return run_lock(None if files is None or files.is_locked else files.path)

    def write(
        self,
        files: CheckpointFiles | None,
        run: RunState,
        best: NDArray[np.float32] | None,
        reason: str,
        good: Snapshot | None,
    ) -> None:
        """Write a checkpoint. A failure is reported as a notice; training continues.

        Nothing is written before the first step, or if the newest checkpoint is the same. ``best``
        are the best parameters, None for the current ones; ``good`` is the last snapshot.
        """
        if files is None or not run.step or files.written == (run.step, reason):
            return
        started = time.perf_counter()
        epoch = self.plan.epoch(run.step)
        checkpoint = Checkpoint(
            model=self.config.model,
            training=self.config.training,
            documents=self.config.documents,
            tokenizer=self.origin.tokenizer,
            corpus=self.corpus,
            run=run,
            reason=reason,
            details=run.details(epoch, self.origin.description, reason),
            params=self.engine.snapshot()[0] if best is None else best,
            arrays=self.engine.state._asdict(),
            seen=self.origin.seen,
            good=good if good and good.run.step < run.step and reason not in ENDED else None,
            every=files.every,
            keep=files.keep,
        )
        try:
            self.reporter.sync()
            files.write(checkpoint)
        except (ModelFileError, OSError) as error:
            kept = "there is none yet"
            if files.written_step is not None:
                kept = f"that of step {files.written_step:,} stays"
            said = f"no checkpoint at step {run.step:,}, {kept}: {error}"
            self.reporter.notice("checkpoint", said)
            self._failed = True
        else:
            if self._failed:
                said = f"checkpoints are written again, at step {run.step:,}"
                self.reporter.notice("checkpoint", said)
            self._failed = False
        run.seconds += time.perf_counter() - started


def check_unfinished(path: FilePath) -> None:
    """Raise ConfigError if ``path`` holds a run that has not ended, or is another file."""
    path = Path(path)
    try:
        if not path.exists() or (path.is_file() and not path.stat().st_size):
            return
        if not path.is_file():  # reading a pipe would wait for ever
            raise ModelFileError(f"{path} is not a regular file")
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
            f"with {setting('resume', True)}, or begin anew with {setting('restart', True)}, which "
            "drops it"
        )
