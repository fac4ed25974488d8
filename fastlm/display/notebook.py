"""The lines of a run in the output of a notebook's cell, which is replaced as a whole."""

from __future__ import annotations

import time
from collections.abc import Callable
from html import escape
from typing import Any

__all__ = ["NotebookScreen"]

_SECONDS = 0.25  # between two updates of what does not stay: each is a message to the browser
_LABEL = 12

# Lines scroll inside their output; a long run does not flood the notebook.
_PAGE = (
    '<div style="max-height: 30em; overflow: auto"><pre style="margin: 0">{}</pre></div>'
    '<pre style="margin: 0">{}</pre>{}'
)
_BAR = '<progress max="1" value="{:.3f}" style="width: 100%"></progress>'


class NotebookScreen:
    """Lines that stay and, below them, one that is redrawn, with a bar; see ``Screen``.

    All of them are one output of the cell, so that a saved notebook has them once.

    clock : returns seconds; for tests
    """

    can_redraw = True
    width = 100

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lines: list[str] = []
        self._live, self._bar = "", ""
        self._drawn = float("-inf")
        self._handle: Any = None

    def print(self, line: str) -> None:
        """Add a line that stays."""
        self._lines.append(line)
        self._draw()

    def describe(self, label: str, text: str) -> None:
        """Add a line that stays: a text after a label."""
        self.print(f"{label:<{_LABEL}}{text}")

    def redraw(self, line: str, fraction: float | None = None) -> None:
        """Replace the line that does not stay, and the bar below it, a few times a second."""
        self._live = line
        self._bar = "" if fraction is None else _BAR.format(fraction)
        if self._clock() - self._drawn >= _SECONDS:
            self._draw()

    def close(self) -> None:
        """Remove what does not stay."""
        if self._live:
            self._live = self._bar = ""
            self._draw()

    def _draw(self) -> None:
        from IPython.display import HTML, display

        self._drawn = self._clock()
        page = HTML(_PAGE.format(escape("\n".join(self._lines)), escape(self._live), self._bar))
        if self._handle is None:
            self._handle = display(page, display_id=True)
        else:
            self._handle.update(page)
