"""Progress reports while a corpus is read, counted and encoded."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from fastlm.callbacks import Callback, Preparing

__all__ = ["PhaseProgress", "ProgressReporter"]

_REPORT_SECONDS = 0.1


class ProgressReporter:
    """Tells callbacks how far each phase of the preparation is.

    clock : seconds, from any zero
    """

    def __init__(
        self, callbacks: Sequence[Callback] = (), clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._callbacks = callbacks
        self._clock = clock

    @contextmanager
    def phase(self, name: str, total: int | None) -> Iterator[PhaseProgress]:
        """Begin a phase over ``total`` bytes (None: not known); its end is reported on leaving."""
        progress = PhaseProgress(self._callbacks, self._clock, name, total)
        yield progress
        progress.report(ended=True)


class PhaseProgress:
    """The progress of one phase, in bytes.

    notes : what was left out, for people; reported with the rest
    """

    def __init__(
        self,
        callbacks: Sequence[Callback],
        clock: Callable[[], float],
        name: str,
        total: int | None,
    ) -> None:
        self._callbacks, self._clock, self._name = callbacks, clock, name
        self._done, self._total = 0, total
        self._started = self._reported = clock()
        self.notes: Sequence[str] = ()

    def advance(self, more: int) -> None:
        """Count ``more`` bytes as done."""
        self.set_done(self._done + more)

    def set_done(self, done: int) -> None:
        """Set the bytes done, and report them if the last report is a tenth of a second ago."""
        self._done = done
        if self._clock() - self._reported >= _REPORT_SECONDS:
            self.report(ended=False)

    def report(self, *, ended: bool) -> None:
        """Tell the callbacks."""
        self._reported = self._clock()
        preparing = Preparing(
            self._name, self._done, self._total, self._reported - self._started, ended,
            tuple(self.notes),
        )  # fmt: skip
        for callback in self._callbacks:
            callback.on_prepare(preparing)
