"""Progress reports while a corpus is read, counted and encoded."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from fastlm.callbacks import Callback, Preparing

__all__ = ["ProgressReporter"]

_REPORT_SECONDS = 0.1


class ProgressReporter:
    """Tells callbacks how far the phases are."""

    def __init__(
        self, callbacks: Sequence[Callback] = (), clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._callbacks = callbacks
        self._clock = clock

    @contextmanager
    def phase(self, name: str, total: int | None) -> Iterator[_Phase]:
        phase = _Phase(self._callbacks, self._clock, name, total)
        yield phase
        phase.close()


class _Phase:
    def __init__(
        self,
        callbacks: Sequence[Callback],
        clock: Callable[[], float],
        name: str,
        total: int | None,
    ) -> None:
        self._callbacks, self._clock, self._name = callbacks, clock, name
        self._done, self._total = 0, total
        self._started = self._told = clock()
        self.notes: tuple[str, ...] = ()

    def __call__(self, more: int) -> None:
        """``more`` bytes are done."""
        self.at(self._done + more, self._total)

    def at(self, done: int, total: int | None) -> None:
        """``done`` of ``total`` bytes are done."""
        self._done, self._total = done, total
        if self._clock() - self._told >= _REPORT_SECONDS:
            self._tell(ended=False)

    def close(self) -> None:
        self._tell(ended=True)

    def _tell(self, ended: bool) -> None:
        self._told = self._clock()
        preparing = Preparing(
            self._name, self._done, self._total, self._told - self._started, ended, self.notes
        )
        for callback in self._callbacks:
            callback.on_prepare(preparing)
