"""A log of a run, for programs without a person before them."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from fastlm.callbacks import Callback, Notice, Preparing, Progress, Result, Start, Validation
from fastlm.display.epoch_lines import EpochLines
from fastlm.display.figures import count_text, duration_text, plural, quality_text, size_text

__all__ = ["LogProgress"]


class LogProgress(Callback):
    """A callback that logs a run: logger ``fastlm``, level INFO.

    Parameters
    ----------
    interval : float
        Seconds between two lines of progress.
    clock : callable
        Returns seconds; for tests.
    """

    only_logs = True

    def __init__(
        self, *, interval: float = 10.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log = logging.getLogger("fastlm").info
        self._interval = interval
        self._clock = clock
        self._logged_at = clock()
        self._tokenizer = ""
        self._epochs: EpochLines | None = None

    def on_prepare(self, preparing: Preparing) -> None:
        """Log the end of each phase that took a second."""
        if preparing.ended and preparing.elapsed >= 1:
            self._log(
                "%s: %s in %s",
                preparing.phase,
                size_text(preparing.done),
                duration_text(preparing.elapsed),
            )
        for note in preparing.notes:
            self._log("left out: %s", note)

    def on_start(self, start: Start) -> None:
        """Log the size of the run."""
        self._tokenizer = start.tokenizer
        self._epochs = EpochLines(start)
        self._log(
            "training %s parameters on %s of %s",
            f"{start.parameters:,}",
            plural(start.train_tokens, "token"),
            start.corpus or "text",
        )

    def on_progress(self, progress: Progress) -> None:
        """Log a line when it is time, and every tenth epoch of a preset."""
        if self._epochs is not None and (line := self._epochs.add(progress)) is not None:
            self._log("%s", line)
        if self._clock() - self._logged_at < self._interval:
            return
        self._logged_at = self._clock()
        self._log(
            "step %s of %s: loss %.4f, %s tokens/s, %s left",
            f"{progress.step:,}",
            f"{progress.total_steps:,}",
            progress.loss,
            count_text(progress.tokens_per_second),
            duration_text(progress.remaining),
        )

    def on_validation(self, validation: Validation) -> None:
        """Log a validation."""
        self._logged_at = self._clock()
        quality = quality_text(validation.loss, self._tokenizer)
        self._log("step %s: validation: %s", f"{validation.step:,}", quality)

    def on_notice(self, notice: Notice) -> None:
        """Log a notice."""
        self._log("%s: %s", notice.kind, notice.message)

    def on_end(self, result: Result) -> None:
        """Log how the run ended."""
        self._log(
            "%s after %s in %s",
            result.reason,
            plural(result.step, "step"),
            duration_text(result.elapsed),
        )
