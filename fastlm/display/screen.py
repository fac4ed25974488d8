"""Lines on a terminal, where the last can be redrawn, or in a pipe."""

from __future__ import annotations

import functools
import itertools
import os
import re
import sys
import textwrap
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TextIO, cast

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

__all__ = [
    "LABEL",
    "Screen",
    "can_redraw",
    "describe",
    "is_terminal",
    "is_utf8",
    "labelled",
    "printable",
    "terminal_columns",
]

LABEL = 12
"""Columns of the labels before the texts."""


# Columns of a terminal that does not say how many it has, and of the narrowest text.
_COLUMNS = 80
_NARROWEST = 20

# Control characters of ASCII and of Latin-1, but for tab and line feed. Some, such as ESC, tell a
# terminal what to do.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def is_terminal(stream: TextIO) -> bool:
    """Return whether a person reads a stream as it is written."""
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False


def is_utf8(stream: TextIO) -> bool:
    """Return whether a stream takes all characters."""
    return (getattr(stream, "encoding", None) or "utf-8").lower().replace("-", "") == "utf8"


def printable(text: str, stream: TextIO) -> str:
    r"""Return a text as it may be written to a stream.

    On a terminal, control characters that come from a text are shown as \u001b, as JSON has them.
    Elsewhere it stays as it is.
    """
    if not is_terminal(stream):
        return text
    return _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def terminal_columns(stream: TextIO) -> int | None:
    """Return the width of the terminal that a stream writes to; None where it writes to none."""
    if not is_terminal(stream):
        return None
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns):
        return int(columns)
    try:
        return os.get_terminal_size(stream.fileno()).columns or _COLUMNS
    except (AttributeError, OSError, ValueError):
        return _COLUMNS


def labelled(label: str, text: str, stream: TextIO) -> list[str]:
    """Return the lines of a text beside its label: on a terminal its words wrap.

    Control characters are shown as `printable` has them.
    """
    label, columns = printable(label, stream), terminal_columns(stream)
    rows = printable(text, stream).split("\n")
    if columns is not None:
        width = max(columns - 1 - LABEL, _NARROWEST)
        wrapped = (textwrap.wrap(row, width, break_on_hyphens=False) or [""] for row in rows)
        rows = [row for lines in wrapped for row in lines]
    labels = itertools.chain([label], itertools.repeat(""))
    return [f"{label:<{LABEL}}{row}" for label, row in zip(labels, rows, strict=False)]


def describe(stream: TextIO, label: str, text: str) -> None:
    """Write a text beside its label, see `labelled`."""
    for line in labelled(label, text, stream):
        print(line, file=stream)


class Screen:
    """Lines that stay and, on a terminal, below them one that is redrawn, with a bar.

    In a pipe there are only the lines that stay.

    Parameters
    ----------
    stream : TextIO
        Where to write. Once it fails (a closed pipe, a full disk) nothing more is shown.
    width : int
        Columns to use at most.
    """

    def __init__(self, stream: TextIO, width: int) -> None:
        self._terminal = stream
        self._stream = _Lenient(stream)
        self._width = width
        self._live: Live | None = None
        self.can_redraw = can_redraw(stream)

    @functools.cached_property
    def _console(self) -> Console:
        from rich.console import Console

        return Console(file=cast(TextIO, self._stream), highlight=False, force_terminal=True)

    @property
    def width(self) -> int:
        """Columns to use."""
        columns = terminal_columns(self._terminal)
        # In the last column a line would wrap on some terminals.
        return self._width if columns is None else min(self._width, columns - 1)

    def print(self, line: str) -> None:
        """Print a line, cropped on a terminal."""
        line = printable(line, self._terminal)
        if not self.can_redraw:
            self._stream.write(f"{line}\n")
            self._stream.flush()
            return
        from rich.text import Text

        self._console.print(Text(line, no_wrap=True, overflow="crop"))

    def describe(self, label: str, text: str) -> None:
        """Print a text after a label; on a terminal its words wrap beside the label."""
        for line in labelled(label, text, self._terminal):
            self.print(line)

    def redraw(self, line: str, fraction: float | None = None) -> None:
        """On a terminal, replace the line that does not stay, and the bar below it."""
        if not self.can_redraw:
            return
        from rich.console import Group
        from rich.live import Live
        from rich.text import Text

        if self._live is None:
            # A thread that redraws would compete with the kernels; each report redraws instead.
            # What the program prints on the same terminal goes above; a file stays a file.
            self._live = Live(
                console=self._console,
                auto_refresh=False,
                transient=True,
                redirect_stdout=sys.stdout is not None and is_terminal(sys.stdout),
            )
            self._live.start()
        line = printable(line, self._terminal)
        rows: list[RenderableType] = [Text(line, no_wrap=True, overflow="crop")]
        if fraction is not None:
            rows.append(self._bar(fraction))
        self._live.update(Group(*rows), refresh=True)

    def _bar(self, fraction: float) -> RenderableType:
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            ProgressBar(total=1.0, completed=fraction, width=self.width - 5), f"{fraction:4.0%}"
        )
        return bar

    def close(self) -> None:
        """Remove what does not stay, and show the cursor again."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()


class _Lenient:
    """A stream that ignores whatever is written after a failure."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._failed = False

    def write(self, text: str) -> int:
        self._guard(self._stream.write, text)
        return len(text)

    def flush(self) -> None:
        self._guard(self._stream.flush)

    def _guard(self, method: Callable[..., Any], *arguments: str) -> None:
        if self._failed:
            return
        try:
            method(*arguments)
        except (OSError, ValueError):  # ValueError: the stream was closed
            self._failed = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def can_redraw(stream: TextIO) -> bool:
    """Whether a line written to ``stream`` can be written over."""
    return is_terminal(stream) and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")
