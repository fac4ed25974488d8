"""The progress of scoring: how many texts are done, shown if it takes longer than a moment."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from fastlm.checks import check_flag
from fastlm.display.compiling import watch_compiling
from fastlm.display.figures import count_text, duration_text, plural
from fastlm.display.notebook import NotebookScreen
from fastlm.display.place import in_notebook, on_terminal
from fastlm.display.screen import Screen

__all__ = ["TextCounter", "text_counter"]

_Each = TypeVar("_Each")

_WIDTH = 79
_FIRST, _NEXT = 1.0, 0.5  # seconds until it is shown, and between two updates


class TextCounter:
    """Counts the texts that a method takes, and shows it.

    Parameters
    ----------
    screen : Screen, NotebookScreen or None
        None: only a line in the log at the end.
    total : int, optional
        All texts, if their number is known.
    clock : callable
        Returns seconds; for tests.
    """

    def __init__(
        self,
        screen: Screen | NotebookScreen | None,
        total: int | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._screen = screen
        self._total = total
        self._clock = clock
        self._began = clock()
        self._next = self._began + _FIRST
        self._texts = self._chars = 0

    def count(self, texts: Iterable[str]) -> Iterator[str]:
        """Yield the texts as they are."""
        for text in texts:
            yield text
            self._texts += 1
            self._chars += len(text)
            now = self._clock()
            if self._screen is not None and now >= self._next:
                self._next = now + _NEXT
                fraction = None if not self._total else min(1.0, self._texts / self._total)
                self._screen.redraw(self._line(now), fraction)

    def follow(self, results: Iterator[_Each]) -> Iterator[_Each]:
        """Yield what a method makes of the texts; at the end, show nothing more."""
        try:
            yield from results
        finally:
            self.close()

    def close(self) -> None:
        """Remove what is shown, or log what was done."""
        now = self._clock()
        if self._screen is not None:
            self._screen.close()
        elif now - self._began >= _FIRST:
            line = self._line(now)
            logging.getLogger("fastlm").info(
                "scored %s in %s", line, duration_text(now - self._began)
            )

    def _line(self, now: float) -> str:
        of = "" if self._total is None else f" of {self._total:,}"
        speed = self._chars / max(now - self._began, 1e-6)
        left = ""
        if self._total and 0 < self._texts < self._total:
            seconds = (now - self._began) * (self._total - self._texts) / self._texts
            left = f", {duration_text(seconds)} left"
        done = plural(self._texts, "text") if not of else f"{self._texts:,}{of} texts"
        return f"{done}, {count_text(speed)} characters/s{left}"


def text_counter(texts: Any, progress: bool | None) -> TextCounter | None:
    """Return what counts the texts of a method; None where it is not to be shown.

    Parameters
    ----------
    texts : iterable
    progress : bool, optional
        See ``fastlm.train``.

    Raises
    ------
    ConfigError
        For another ``progress``.
    """
    if progress is not None:
        check_flag("progress", progress)
    if progress is False:
        return None
    watch_compiling()
    screen: Screen | NotebookScreen | None = None
    if in_notebook():
        screen = NotebookScreen()
    elif progress or on_terminal():
        screen = Screen(sys.stderr, _WIDTH)
    elif not logging.getLogger("fastlm").isEnabledFor(logging.INFO):
        return None
    return TextCounter(screen, len(texts) if hasattr(texts, "__len__") else None)
