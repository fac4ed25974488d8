"""Progress of training on a terminal."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

from fastlm.callbacks import Callback, Notice, Preparing, Progress, Result, Start, Validation
from fastlm.cli.figures import count_text, duration_text, quality_unit
from fastlm.cli.preparation_display import PreparationProgress, can_redraw

if TYPE_CHECKING:
    from rich.live import Live


__all__ = ["ConsoleProgress", "QuietNotices"]

# Together 79 columns: the last column of a terminal makes some of them wrap.
_COLUMNS = (
    ("step/total", 13),
    ("epoch", 8),
    ("loss", 6),
    ("valid", 6),
    ("quality", 10),
    ("lr", 6),
    ("tokens/s", 8),
    ("elapsed", 7),
    ("left", 7),
)


_WIDTH = sum(width for _, width in _COLUMNS) + len(_COLUMNS) - 1


_LABEL = 12


_TOKENS = {"char": "characters", "word": "words", "whitespace": "words", "byte": "bytes"}


class ConsoleProgress(Callback):
    """Shows a run on standard error: live on a terminal, else as plain lines.

    On a terminal each validation leaves a line, and below them stands the state of the run.
    Elsewhere there is a line for each validation and at most one every ``interval`` seconds
    between them; its loss is the mean since the line before.

    corpus : what it is called in the first line; None: not named
    tokenizer : the kind, for the unit of the validation loss (see `quality_unit`)
    stream : None: standard error
    interval : seconds
    clock : seconds, for tests

    A stream that fails (a closed pipe, a full disk) ends the display, not the training.
    Use it as a context manager where an exception may end the run, so that the terminal is
    restored; ``on_end`` does so too.
    """

    def __init__(
        self,
        *,
        corpus: str | None = None,
        tokenizer: str | None = None,
        stream: TextIO | None = None,
        interval: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._corpus = corpus
        self._tokenizer = tokenizer
        self._unit = quality_unit(tokenizer)
        self._stream = sys.stderr if stream is None else stream
        self._interval = interval
        self._clock = clock
        self._on_terminal = can_redraw(self._stream)
        self._live: Live | None = None
        self._preparation: PreparationProgress | None = None
        self._gone = False
        self._notice = ""
        self._headed = False
        self._last: Progress | None = None
        self._validation: Validation | None = None
        self._first_step = 0
        self._shown_step = 0
        self._shown_at = clock()
        self._loss_sum = 0.0
        self._loss_steps = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Take what does not stay away and give the terminal back."""
        self._clear_notice()
        if self._preparation is not None:
            self._preparation.clear()
        live, self._live = self._live, None
        if live is not None:
            self._guarded(live.stop)

    def wait_for(self, what: str) -> None:
        """Say on a terminal what takes so long, until the next line comes."""
        if self._on_terminal:
            self._notice = f"{what} ..."[: _WIDTH - 1]
            self._guarded(lambda: print(self._notice, end="", file=self._stream, flush=True))

    def on_prepare(self, preparing: Preparing) -> None:
        if self._preparation is None:
            self._preparation = PreparationProgress(self._stream)
        self._clear_notice()
        self._preparation.on_prepare(preparing)

    def on_start(self, start: Start) -> None:
        model, training = start.model, start.training
        self._first_step = start.step
        if self._corpus is not None:
            self._describe("corpus", self._corpus)
        held_out = f", {start.valid_tokens:,} for validation" if start.valid_tokens else ""
        self._describe("tokens", f"{start.train_tokens:,} to train on{held_out}")
        self._describe(
            "vocabulary", f"{model.vocab:,} {_TOKENS.get(self._tokenizer or '', 'tokens')}"
        )
        for number, reason in enumerate(start.reasons):
            self._describe("" if number else "picked", reason)
        layers = ", ".join(map(str, model.hidden)) or "none"
        far = f" and {' and '.join(map(str, model.far))} further back" if model.far else ""
        self._describe(
            "model",
            f"context {model.context} ({model.combine}){far}, embedding {model.embed}, "
            f"hidden {layers}: {start.parameters:,} parameters",
        )
        lengths = []
        if training.minutes is not None:
            lengths.append(f"{training.minutes:g} minute{'' if training.minutes == 1 else 's'}")
        if start.total_steps is not None:
            lengths.append(f"{'at most ' if lengths else ''}{start.total_steps:,} steps")
        threads = f"{start.threads} thread{'' if start.threads == 1 else 's'}"
        self._describe("training", f"{', '.join(lengths)}, batch {training.batch:,}, {threads}")
        if start.step:
            self._describe(
                "resuming", f"at step {start.step:,}, after {duration_text(start.elapsed)}"
            )
        if start.compiling:
            self._describe(
                "compiling", "kernels for the first time: 10 to 30 s; later starts use a cache ..."
            )
        self._shown_at = self._clock()

    def on_progress(self, progress: Progress) -> None:
        steps = progress.step - (self._last.step if self._last else self._first_step)
        if steps < 0:  # training went back
            steps = 1
        if math.isfinite(progress.loss):
            self._loss_sum += progress.loss * steps
            self._loss_steps += steps
        self._last = progress
        if self._on_terminal:
            self._redraw(progress)
        elif self._clock() - self._shown_at >= self._interval:
            self._show_progress(progress)

    def on_validation(self, validation: Validation) -> None:
        self._validation = validation
        last = self._last
        self._show(
            validation.step,
            (
                _steps(validation.step, last.total_steps if last else validation.step),
                _epochs(validation.epoch, last.total_epochs if last else validation.epoch),
                _loss(validation.train_loss),
                _loss(validation.loss),
                self._quality(validation),
                _rate(last.lr) if last else "",
                _speed(last) if last else "",
                duration_text(validation.elapsed),
                duration_text(last.remaining) if last else "",
            ),
        )

    def on_notice(self, notice: Notice) -> None:
        self._describe(notice.kind, notice.message)

    def on_end(self, result: Result) -> None:
        if self._last is not None and self._shown_step != self._last.step:
            self._show_progress(self._last)
        self.close()
        epochs = f"{result.epoch:.3g} epoch{'' if result.epoch == 1 else 's'}"
        self._describe(
            result.reason,
            f"after {result.step:,} steps ({epochs}) in {duration_text(result.elapsed)}, "
            f"{count_text(result.tokens_per_second)} tokens/s",
        )

    def _show_progress(self, progress: Progress) -> None:
        loss = self._loss_sum / self._loss_steps if self._loss_steps else math.nan
        self._show(progress.step, self._cells(progress, loss, None))

    def _show(self, step: int, cells: tuple[str, ...]) -> None:
        """Print a line that stays."""
        self._head()
        self._print(_line(cells))
        self._shown_step = step
        self._shown_at = self._clock()
        self._loss_sum, self._loss_steps = 0.0, 0

    def _head(self) -> None:
        if not self._headed:
            self._headed = True
            names = (self._unit if name == "quality" else name for name, _ in _COLUMNS)
            self._print(_line(tuple(names)))

    def _cells(
        self, progress: Progress, loss: float, validation: Validation | None
    ) -> tuple[str, ...]:
        return (
            _steps(progress.step, progress.total_steps),
            _epochs(progress.epoch, progress.total_epochs),
            _loss(loss),
            _loss(validation.loss) if validation else "",
            self._quality(validation) if validation else "",
            _rate(progress.lr),
            _speed(progress),
            duration_text(progress.elapsed),
            duration_text(progress.remaining),
        )

    def _quality(self, validation: Validation) -> str:
        if self._unit != "perplexity":
            return f"{validation.loss / math.log(2):.3f}"
        value = validation.perplexity
        if value >= 1e7:
            return f"{value:.2e}"
        return f"{value:,.2f}" if value < 1e4 else f"{value:,.0f}"

    def _redraw(self, progress: Progress) -> None:
        self._head()
        self._guarded(lambda: self._draw(progress))

    def _draw(self, progress: Progress) -> None:
        from rich.console import Console, Group
        from rich.live import Live
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        if self._live is None:
            # A thread that redraws would compete with the kernels; each report redraws instead.
            # Standard output stays what it is: it may be a file.
            self._live = Live(
                console=Console(file=self._stream, highlight=False),
                auto_refresh=False,
                transient=True,
                redirect_stdout=False,
            )
            self._live.start()
        row = _line(self._cells(progress, progress.loss, self._validation))
        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            ProgressBar(total=1.0, completed=progress.fraction, width=_WIDTH - 5),
            Text(f"{progress.fraction:4.0%}"),
        )
        self._live.update(
            Group(Text(row, no_wrap=True, overflow="crop"), bar),
            refresh=True,
        )

    def _describe(self, label: str, text: str) -> None:
        self._print(f"{label:<{_LABEL}}{text}")

    def _clear_notice(self) -> None:
        notice, self._notice = self._notice, ""
        if notice:
            # Overwritten with spaces: not every console knows the sequence that erases a line.
            blank = f"\r{' ' * len(notice)}\r"
            self._guarded(lambda: print(blank, end="", file=self._stream, flush=True))

    def _print(self, line: str) -> None:
        self._clear_notice()
        if self._live is None:
            self._guarded(lambda: print(line, file=self._stream, flush=True))
            return
        from rich.text import Text

        console = self._live.console
        self._guarded(lambda: console.print(Text(line, no_wrap=True, overflow="crop")))

    def _guarded(self, write: Callable[[], Any]) -> None:
        if self._gone:
            return
        try:
            write()
        except (OSError, ValueError):  # ValueError: the stream was closed
            self._gone = True


def _line(cells: tuple[str, ...]) -> str:
    return " ".join(
        f"{cell:>{width}}" for cell, (_, width) in zip(cells, _COLUMNS, strict=True)
    ).rstrip()


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
    return f"{rate:.4f}"[:6] if rate >= 0.001 or rate == 0 else f"{rate:.0e}"


def _speed(progress: Progress) -> str:
    # 0 means that nothing could be measured yet.
    return count_text(progress.tokens_per_second) if progress.tokens_per_second else "-"


class QuietNotices(Callback):
    """Warnings on standard error: training went back, or a file cannot be written."""

    def on_notice(self, notice: Notice) -> None:
        if notice.kind != "finished":
            print("warning:", notice.message, file=sys.stderr)
