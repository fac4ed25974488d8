"""Texts on a terminal with their parts coloured by surprise, or with digits below them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, TextIO

from fastlm.display.screen import can_redraw, printable, terminal_columns
from fastlm.system.html_pages import figure_text

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["SurprisePrinter", "digits_below", "takes_colour"]

_Parts = Iterable[tuple[str, float | None]]

# Bits from which on a part has a colour, ink and paper: legible on light and dark terminals.
_COLOURS = (
    (2.0, "#1f2328 on #fff3bf"),
    (4.0, "#1f2328 on #ffd08a"),
    (6.0, "#1f2328 on #ff9f5a"),
    (8.0, "#ffffff on #d9480f"),
    (10.0, "bold #ffffff on #a51111"),
)

_LABEL = 10  # columns of the perplexity
_PLAIN_COLUMNS = 80


def takes_colour(stream: TextIO) -> bool:
    """Tell whether colours may be written to a stream: a terminal, without NO_COLOR."""
    return can_redraw(stream) and not os.environ.get("NO_COLOR")


class SurprisePrinter:
    """Prints texts, each after its perplexity and at once.

    Parameters
    ----------
    stream : TextIO
    colour : bool
        Whether parts are coloured; if not, a digit below each character says how many bits its
        part took, 9 for 9 and more.
    """

    def __init__(self, stream: TextIO, *, colour: bool) -> None:
        self._stream = stream
        self._colour = colour
        if colour:
            from rich.console import Console

            self._console = Console(
                file=stream,
                force_terminal=True,
                highlight=False,
                soft_wrap=True,
                no_color=False,
                # A pipe does not say what the terminal at its end can show.
                color_system="auto" if can_redraw(stream) else "256",
            )

    def legend(self) -> None:
        """Print what the colours mean, in a line."""
        if not self._colour:
            print("perplexity  text; below each character the bits of its token", file=self._stream)
            return
        from rich.text import Text

        line = Text("perplexity  text; bits of a token: ", style="dim")
        line.append(" 0 ", style="not dim")
        for bits, style in _COLOURS:
            line.append(f" {bits:g}{'+' if bits == 10 else ''} ", style=f"not dim {style}")
        self._console.print(line)

    def print(self, perplexity: float, parts: _Parts, note: str = "") -> None:
        """Print a text.

        Parameters
        ----------
        perplexity : float
        parts : iterable of (str, float or None)
            The text in parts, each with its bits; None for a part that was not predicted.
        note : str
            Stands after the perplexity.
        """
        label = f"{figure_text(perplexity):>{_LABEL}}  " + (f"{note}  " if note else "")
        shown = [(printable(_one_line(part), self._stream), bits) for part, bits in parts]
        if self._colour:
            self._console.print(_coloured(label, shown))
        else:
            columns = terminal_columns(self._stream) or _PLAIN_COLUMNS
            self._stream.write(digits_below(label, shown, columns))
        self._stream.flush()


def _one_line(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ")


def _coloured(label: str, parts: _Parts) -> Text:
    from rich.text import Text

    line = Text(label)
    for part, bits in parts:
        styles = [style for least, style in _COLOURS if bits is not None and bits >= least]
        for number, piece in enumerate(part.split("\n")):
            if number:
                line.append("\n" + " " * len(label))
            line.append(piece, style=styles[-1] if styles else "")
    return line


def digits_below(label: str, parts: _Parts, columns: int) -> str:
    """Return a text in rows, below each row the bits of the part that each character is in."""
    from rich.cells import cell_len

    width = max(columns - 1 - len(label), 20)
    rows: list[tuple[str, str]] = [("", "")]
    used = 0
    for part, bits in parts:
        digit = " " if bits is None else str(min(int(bits), 9))
        for character in part:
            cells = cell_len(character)
            if character == "\n" or used + cells > width:
                rows.append(("", ""))
                used = 0
            if character != "\n":
                rows[-1] = rows[-1][0] + character, rows[-1][1] + digit * cells
                used += cells
    lines = []
    for number, (text, digits) in enumerate(rows):
        lines += [(" " * len(label) if number else label) + text, " " * len(label) + digits]
    return "".join(f"{line.rstrip()}\n" for line in lines)
