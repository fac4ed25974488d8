"""How preparing text looks on the console."""

from __future__ import annotations

import os
import sys
from typing import TextIO

from fastlm.callbacks import Callback, Preparing
from fastlm.cli.figures import duration_text

__all__ = ["PreparationProgress", "can_redraw"]

_LABEL = 12


_WIDTH = 79


_SHORT = 1.0


class PreparationProgress(Callback):
    """A line on standard error: rewritten on a terminal, else one for each phase of a second or
    more. What was left out of the text is said in any case.

    stream : None: standard error. One that fails (a closed pipe) ends the display, not the work.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._on_terminal = can_redraw(self._stream)
        self._shown = 0
        self._gone = False

    def on_prepare(self, preparing: Preparing) -> None:
        if preparing.ended:
            self.clear()
            if preparing.elapsed >= _SHORT:
                text = f"{_megabytes(preparing.done)} in {duration_text(preparing.elapsed)}"
                self._write(f"{preparing.phase:<{_LABEL}}{text}, {_speed(preparing)}\n")
            for note in preparing.notes:
                self._write(f"{'left out':<{_LABEL}}{note}\n")
        elif self._on_terminal:
            line = f"{preparing.phase:<{_LABEL}}{_state(preparing)}"[:_WIDTH]
            self._write(f"\r{line:<{self._shown}}")
            self._shown = len(line)

    def clear(self) -> None:
        """Take the line away that does not stay."""
        if self._shown:
            self._write(f"\r{' ' * self._shown}\r")
            self._shown = 0

    def _write(self, text: str) -> None:
        if self._gone:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):  # ValueError: the stream was closed
            self._gone = True


def _state(preparing: Preparing) -> str:
    if not preparing.total:
        return f"{_megabytes(preparing.done)}, {_speed(preparing)}"
    left = (preparing.total - preparing.done) * preparing.elapsed / max(1, preparing.done)
    return (
        f"{preparing.done / preparing.total:4.0%} of {_megabytes(preparing.total)}, "
        f"{_speed(preparing)}, {duration_text(left)} left"
    )


def _speed(preparing: Preparing) -> str:
    return f"{preparing.done / 1e6 / max(preparing.elapsed, 1e-6):,.0f} MB/s"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB" if size < 1e9 else f"{size / 1e9:,.2f} GB"


def can_redraw(stream: TextIO) -> bool:
    """Whether a line that was written to ``stream`` can be written over."""
    try:
        terminal = stream.isatty()
    except (AttributeError, ValueError):
        return False
    return terminal and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")
