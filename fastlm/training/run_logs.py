"""Callbacks that write the course of a run to files: CSV, TensorBoard."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fastlm.callbacks import Callback, Notice, Progress, Result, Start, Validation
from fastlm.errors import ConfigError, MissingLibraryError
from fastlm.system.atomic_file import reason_of
from fastlm.types import FilePath
from fastlm.wording import install

__all__ = ["CSVLogger", "TensorBoard"]

_COLUMNS = (
    "step", "epoch", "seconds", "loss", "lr", "tokens_per_second", "valid_loss", "perplexity",
)  # fmt: skip


class CSVLogger(Callback):
    """A callback that writes a CSV row for each validation, and every few seconds between them.

    The columns are step, epoch, seconds, loss (training, the mean since the row before), lr,
    tokens_per_second, valid_loss and perplexity; losses are in nats per token. A run that is
    resumed adds to its file, another one begins anew.

    Parameters
    ----------
    path : path
    interval : float
        Seconds between two rows without a validation.
    clock : callable
        Returns seconds; for tests.

    Raises
    ------
    ConfigError
        For a file that holds something else, and, when the run starts, one that cannot be written.
    """

    def __init__(
        self,
        path: FilePath,
        *,
        interval: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = Path(path)
        self._interval = interval
        self._clock = clock
        self._written_at = clock()
        self._mean = _Mean()
        self._last: Progress | None = None
        self._failed = False
        _check_replaceable(self.path)

    def on_start(self, start: Start) -> None:
        """Begin the file, or go on with it."""
        _check_replaceable(self.path)
        self._mean, self._last = _Mean(start.step), None
        goes_on = start.step > 0 and self.path.exists()
        try:
            with self.path.open("a" if goes_on else "w", newline="", encoding="utf-8") as file:
                if not goes_on:
                    csv.writer(file).writerow(_COLUMNS)
        except OSError as error:
            raise ConfigError(
                f"cannot write {self.path}: {reason_of(error)}; name another file"
            ) from None
        self._written_at = self._clock()

    def on_progress(self, progress: Progress) -> None:
        """Write a row when it is time."""
        self._mean.add(progress)
        self._last = progress
        if self._clock() - self._written_at >= self._interval:
            self._write_progress(progress)

    def on_validation(self, validation: Validation) -> None:
        """Write a row."""
        lr = None if self._last is None else self._last.lr
        self._write(
            step=validation.step,
            epoch=validation.epoch,
            seconds=validation.elapsed,
            loss=self._mean.take(),
            lr=lr,
            valid_loss=validation.loss,
            perplexity=validation.perplexity,
        )

    def on_end(self, result: Result) -> None:
        """Write a row of what came after the last one."""
        if self._last is not None and self._mean.steps:
            self._write_progress(self._last)

    def _write_progress(self, progress: Progress) -> None:
        self._write(
            step=progress.step,
            epoch=progress.epoch,
            seconds=progress.elapsed,
            loss=self._mean.take(),
            lr=progress.lr,
            tokens_per_second=progress.tokens_per_second,
        )

    def _write(self, **values: Any) -> None:
        self._written_at = self._clock()
        if self._failed:
            return
        row = [_cell(values.get(name)) for name in _COLUMNS]
        try:
            with self.path.open("a", newline="", encoding="utf-8") as file:
                csv.writer(file).writerow(row)
        except OSError:
            self._failed = True  # a full disk stops no training


class TensorBoard(Callback):
    """A callback that writes a run for TensorBoard (``tensorboard --logdir folder``).

    Scalars by step: ``loss/train``, ``loss/valid`` (nats per token), ``perplexity``,
    ``learning rate``, ``tokens per second``; and notices as text.

    Parameters
    ----------
    folder : path
        Of the run's event files; it is made if it is not there.

    Raises
    ------
    MissingLibraryError
        Without the library tensorboardX.
    """

    def __init__(self, folder: FilePath) -> None:
        self.folder = Path(folder)
        try:
            from tensorboardX import SummaryWriter
        except ImportError:
            raise MissingLibraryError(
                "TensorBoard needs the package tensorboardX; install it with: "
                f"{install('tensorboardX')}"
            ) from None
        self._make: Callable[[], Any] = lambda: SummaryWriter(logdir=str(self.folder))
        self._writer: Any = None
        self._step = 0

    def on_start(self, start: Start) -> None:
        """Open the files."""
        self._step = start.step
        if self._writer is None:
            self._writer = self._make()

    def on_progress(self, progress: Progress) -> None:
        """Write loss, rate and speed."""
        scalars = {"loss/train": progress.loss, "learning rate": progress.lr}
        if progress.tokens_per_second:
            scalars["tokens per second"] = progress.tokens_per_second
        self._add(progress.step, scalars)

    def on_validation(self, validation: Validation) -> None:
        """Write the validation."""
        self._add(
            validation.step, {"loss/valid": validation.loss, "perplexity": validation.perplexity}
        )

    def on_notice(self, notice: Notice) -> None:
        """Write the notice as text."""
        if self._writer is not None:
            self._writer.add_text(notice.kind, notice.message, self._step)

    only_logs = True

    def on_end(self, result: Result) -> None:
        """Close the files."""
        self._writer.close()
        self._writer = None

    def _add(self, step: int, scalars: Mapping[str, float]) -> None:
        self._step = step
        for name, value in scalars.items():
            if math.isfinite(value):
                self._writer.add_scalar(name, value, step)


class _Mean:
    """The mean training loss since a row, from the reports of compiled calls.

    step : done before the first report
    """

    def __init__(self, step: int = 0) -> None:
        self._step = step
        self._total = 0.0
        self.steps = 0

    def add(self, progress: Progress) -> None:
        steps = progress.step - self._step
        self._step = progress.step
        if steps > 0 and math.isfinite(progress.loss):  # it is not after a rollback
            self._total += progress.loss * steps
            self.steps += steps

    def take(self) -> float | None:
        """Return the mean and begin anew; None if nothing was added."""
        mean = self._total / self.steps if self.steps else None
        self._total, self.steps = 0.0, 0
        return mean


def _cell(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return ""
    return str(value) if isinstance(value, int) else f"{value:.6g}"


def _check_replaceable(path: Path) -> None:
    """Raise ConfigError if a file is there that holds something else than such rows."""
    try:
        with path.open(encoding="utf-8", errors="replace", newline="") as file:
            first = file.readline(4096).strip()
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConfigError(f"cannot write {path}: {reason_of(error)}; name another file") from None
    if first and first != ",".join(_COLUMNS):
        raise ConfigError(
            f"{path} exists and does not hold the rows of a run, so it is not overwritten; name "
            "another file, or remove it"
        )
