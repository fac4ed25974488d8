"""The progress of training, preparing and scoring: live on a terminal, plain lines in a pipe."""

from __future__ import annotations

import dataclasses
import math
import sys
import time
from collections.abc import Callable
from typing import Self, TextIO

from fastlm.callbacks import Callback, Notice, Preparing, Progress, Result, Start, Validation
from fastlm.display.compiling import announced
from fastlm.display.epoch_lines import EpochLines
from fastlm.display.figures import (
    count_text,
    duration_text,
    model_text,
    plural,
    quality_figure,
    quality_unit,
    size_text,
    time_text,
    tokens_text,
)
from fastlm.display.notebook import NotebookScreen
from fastlm.display.place import begin, end
from fastlm.display.screen import LABEL, Screen

__all__ = ["ConsoleProgress", "QuietNotices", "ScoreProgress"]

# Together 79 columns: in the 80th a line would wrap on some terminals.
_COLUMNS = {
    "step/total": 13,
    "epoch": 8,
    "loss": 6,
    "valid": 6,
    "quality": 10,
    "lr": 6,
    "tokens/s": 8,
    "elapsed": 7,
    "left": 7,
}
_WIDTH = sum(_COLUMNS.values()) + len(_COLUMNS) - 1

# Left out of a narrow terminal, in this order.
_DISPENSABLE = ("lr", "epoch", "tokens/s", "elapsed", "quality")

# Seconds that a phase of preparing, or scoring, takes at least to be worth a line that stays.
_SHORT = 1.0

_TOKENS = {"char": "character", "word": "word", "whitespace": "word", "byte": "byte"}


class ConsoleProgress(Callback):
    """A callback that shows a run on standard error.

    On a terminal each validation leaves a line, and the state of the run is redrawn below. In a
    pipe there is a line for each validation, and one every ``interval`` seconds between them; its
    loss is the mean since the line before. A run of a preset has the lines of its founding system
    (``EpochLines``), and the others only if it is validated.

    Use it as a context manager if an exception may end the run: it restores the terminal.

    Parameters
    ----------
    stream : TextIO, optional
        Default: standard error. If it fails (a closed pipe, a full disk) the display ends, and
        training continues.
    screen : Screen or NotebookScreen, optional
        Where to show it, in place of the stream.
    interval : float
        Seconds between lines in a pipe.
    clock : callable
        Returns seconds; for tests.
    """

    def __init__(
        self,
        *,
        stream: TextIO | None = None,
        screen: Screen | NotebookScreen | None = None,
        interval: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if screen is None:
            screen = Screen(sys.stderr if stream is None else stream, _WIDTH)
        self._screen = screen
        self._interval = interval
        self._clock = clock
        self._unit = "perplexity"
        self._columns: tuple[str, ...] = ()
        self._last: Progress | None = None
        self._validation: Validation | None = None
        self._epochs: EpochLines | None = None
        self._has_table = True
        self._first_step = 0
        self._shown_step = 0
        self._shown_at = clock()
        self._loss_sum = 0.0
        self._loss_steps = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove what is redrawn, and restore the terminal."""
        end(self._screen)
        self._screen.close()

    def wait_for(self, what: str) -> None:
        """Show on a terminal what is being done, until there is something else to show."""
        self._screen.redraw(f"{what} ...")

    def on_prepare(self, preparing: Preparing) -> None:
        """Show how far a phase is, or how long it took."""
        begin(self._screen)
        if not preparing.ended:
            fraction = preparing.done / preparing.total if preparing.total else None
            text = f"{preparing.phase:<{LABEL}}{_preparing_text(preparing)}"
            self._screen.redraw(text, fraction)
            return
        self._screen.close()
        if preparing.elapsed >= _SHORT:
            done = f"{size_text(preparing.done)} in {duration_text(preparing.elapsed)}"
            speed = _bytes_speed(preparing.done, preparing.elapsed)
            self._screen.describe(preparing.phase, f"{done}, {speed}")
        for note in preparing.notes:
            self._screen.describe("left out", note)

    def on_start(self, start: Start) -> None:
        """Describe the run."""
        begin(self._screen)
        self._unit = quality_unit(start.tokenizer)
        self._first_step = start.step
        self._epochs = EpochLines(start)
        self._has_table = start.valid_tokens > 0 or not self._epochs.shown
        for label, text in _facts(start):
            self._screen.describe(label, text)
        self._shown_at = self._clock()

    def on_progress(self, progress: Progress) -> None:
        """Redraw the state of the run, or print a line when it is time."""
        steps = progress.step - (self._last.step if self._last else self._first_step)
        if steps < 0:  # training went back
            steps = 1
        if math.isfinite(progress.loss):
            self._loss_sum += progress.loss * steps
            self._loss_steps += steps
        self._last = progress
        if self._epochs is not None and (line := self._epochs.add(progress)) is not None:
            self._screen.print(line)
        if not self._has_table:
            epochs = f"epoch {_epochs(progress.epoch, progress.total_epochs)}"
            self._screen.redraw(epochs, progress.fraction)
        elif self._screen.can_redraw:
            self._head()
            row = self._row(progress, progress.loss, self._validation)
            self._screen.redraw(row, progress.fraction)
        elif self._clock() - self._shown_at >= self._interval:
            loss = self._loss_sum / self._loss_steps if self._loss_steps else math.nan
            self._print(progress, loss)

    def on_validation(self, validation: Validation) -> None:
        """Print a line that stays."""
        self._validation = validation
        step, epoch, nan = validation.step, validation.epoch, math.nan
        last = self._last or Progress(step, step, epoch, epoch, 1.0, nan, nan, 0.0, nan, nan)
        now = dataclasses.replace(last, step=step, epoch=epoch, elapsed=validation.elapsed)
        self._print(now, validation.train_loss, validation)

    def on_notice(self, notice: Notice) -> None:
        """Print what a person should know."""
        self._screen.describe(notice.kind, notice.message)

    def on_end(self, result: Result) -> None:
        """Print the last line and how the run ended."""
        said_all = self._epochs is not None and self._epochs.lines > 0 and not self._has_table
        if self._last is not None and self._shown_step != self._last.step and not said_all:
            self._print(self._last, result.train_loss)
        self.close()
        self._screen.describe(
            result.reason,
            f"after {plural(result.step, 'step')} ({plural(result.epoch, 'epoch')}) in "
            f"{duration_text(result.elapsed)}, {count_text(result.tokens_per_second)} tokens/s",
        )

    def _print(self, progress: Progress, loss: float, valid: Validation | None = None) -> None:
        """Print a line that stays."""
        self._head()
        self._screen.print(self._row(progress, loss, valid))
        self._shown_step = progress.step
        self._shown_at = self._clock()
        self._loss_sum, self._loss_steps = 0.0, 0

    def _head(self) -> None:
        if not self._columns:
            self._columns = _columns_for(self._screen.width)
            names = {name: name for name in _COLUMNS} | {"quality": self._unit}
            self._screen.print(self._line(names))

    def _row(self, progress: Progress, loss: float, valid: Validation | None) -> str:
        cells = {
            "step/total": _steps(progress.step, progress.total_steps),
            "epoch": _epochs(progress.epoch, progress.total_epochs),
            "loss": _loss(loss),
            "valid": _loss(valid.loss) if valid else "",
            "quality": quality_figure(valid.loss, valid.perplexity, self._unit) if valid else "",
            "lr": _rate(progress.lr),
            # 0 means that nothing could be measured yet.
            "tokens/s": count_text(progress.tokens_per_second or math.nan),
            "elapsed": duration_text(progress.elapsed),
            "left": duration_text(progress.remaining),
        }
        return self._line(cells)

    def _line(self, cells: dict[str, str]) -> str:
        return " ".join(f"{cells[name]:>{_COLUMNS[name]}}" for name in self._columns).rstrip()


class ScoreProgress:
    """What `fastlm score` has read and written, on standard error.

    Shown only if that is a terminal, and standard output is none or has no scores. A context
    manager: at its end it prints the counts, if there was time to see them.

    Parameters
    ----------
    clock : callable
        Returns seconds; for tests.
    on_stdout : bool
        Whether the scores go to standard output.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, *, on_stdout: bool = True
    ) -> None:
        self._screen = Screen(sys.stderr, _WIDTH)
        self._shown = self._screen.can_redraw and not (on_stdout and sys.stdout.isatty())
        self._clock = clock
        self._start = clock()
        self._next = self._start + _SHORT
        self._records = self._written = self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *exception: object) -> None:
        now = self._clock()
        if kind is None and self._shown and now >= self._start + _SHORT:
            self._screen.print(self._text(now))
        self._screen.close()

    def add(self, records: int, written: int, bytes_read: int) -> None:
        """Count records; ``bytes_read`` is that of all so far."""
        self._records += records
        self._written += written
        self._bytes = bytes_read
        now = self._clock()
        if self._shown and now >= self._next:
            self._next = now + 0.5
            self._screen.redraw(self._text(now))

    def _text(self, now: float) -> str:
        return (
            f"{self._records:,} records, {self._written:,} written, "
            f"{size_text(self._bytes)}, {_bytes_speed(self._bytes, now - self._start)}"
        )


class QuietNotices(Callback):
    """Warnings on standard error, which --quiet does not suppress."""

    def on_notice(self, notice: Notice) -> None:
        """Print a warning."""
        if notice.kind not in ("finished", "counts"):
            print("warning:", notice.message, file=sys.stderr)


def _columns_for(width: int) -> tuple[str, ...]:
    """Choose the columns of the table that fit."""
    columns = list(_COLUMNS)
    for name in _DISPENSABLE:
        if sum(_COLUMNS[name] + 1 for name in columns) - 1 > width:
            columns.remove(name)
    return tuple(columns)


def _facts(start: Start) -> list[tuple[str, str]]:
    """Describe a run before its first step, as labels and texts."""
    model, training = start.model, start.training
    length = "" if start.total_steps is None else plural(start.total_steps, "step")
    if training.minutes is not None:
        if training.epochs is not None:
            length = plural(float(training.epochs), "epoch")
        length = f"for {time_text(60 * training.minutes)}{f' (or {length})' if length else ''}"
    facts = [("corpus", start.corpus)] if start.corpus else []
    facts += [
        ("tokens", tokens_text(start.train_tokens, start.valid_tokens)),
        ("vocabulary", plural(model.vocab, _TOKENS.get(start.tokenizer, "token"))),
    ]
    facts += [("" if number else "settings", text) for number, text in enumerate(start.reasons)]
    facts += [
        ("model", model_text(dataclasses.asdict(model), start.parameters)),
        (
            "training",
            f"{length}, batch {training.batch:,}, {plural(start.threads, 'thread')}",
        ),
    ]
    if start.step:
        facts.append(("resuming", f"at step {start.step:,}, after {duration_text(start.elapsed)}"))
    if start.compiling and not announced():
        from fastlm.engine.precompile import compiling_text

        facts.append(("compiling", f"{compiling_text()} ..."))
    return facts


def _preparing_text(preparing: Preparing) -> str:
    speed = _bytes_speed(preparing.done, preparing.elapsed)
    if not preparing.total:
        return f"{size_text(preparing.done)}, {speed}"
    left = (preparing.total - preparing.done) * preparing.elapsed / max(1, preparing.done)
    return f"{size_text(preparing.total)}, {speed}, {duration_text(left)} left"


def _bytes_speed(size: int, seconds: float) -> str:
    speed = size / 1e6 / max(seconds, 1e-6)
    return f"{speed:,.0f} MB/s" if speed >= 10 else f"{speed:.1f} MB/s"


def _steps(step: int, total: int) -> str:
    if total < 100_000:
        return f"{step:,}/{total:,}"
    return f"{count_text(step)}/{count_text(total)}"


def _epochs(epoch: float, total: float) -> str:
    if total < 1:
        return f"{epoch:.2g}"
    if total < 100:
        return f"{epoch:.1f}/{f'{total:.1f}'.removesuffix('.0')}"
    return f"{epoch:.0f}/{total:.0f}" if total < 1000 else count_text(epoch)


def _loss(loss: float) -> str:
    return f"{loss:.4f}"[:6] if math.isfinite(loss) else "-"


def _rate(rate: float) -> str:
    if math.isnan(rate):
        return "-"
    return f"{rate:.4f}"[:6] if rate >= 0.001 or rate == 0 else f"{rate:.0e}"
