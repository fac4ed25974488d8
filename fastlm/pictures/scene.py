"""A picture as shapes with places in pixels and roles in place of colours.

What is drawn is decided once, here; ``svg`` and ``raster`` only put it down.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

__all__ = [
    "WIDTH",
    "Dot",
    "Line",
    "Rect",
    "Scene",
    "Shape",
    "Text",
    "fitted",
    "text_width",
    "visible",
    "wrapped",
]

WIDTH = 880.0
"""The width of a picture in pixels, that of a page of a README."""

SMALL = 12.0
"""The height in pixels of the letters of ticks and captions; none are smaller."""

Anchor: TypeAlias = Literal["start", "middle", "end"]


@dataclass(frozen=True)
class Line:
    """A line through points, in pixels from the upper left."""

    points: Sequence[tuple[float, float]]
    role: str
    width: float = 1.5
    opacity: float = 1.0
    dashed: bool = False


@dataclass(frozen=True)
class Rect:
    """A filled rectangle; ``tip`` is shown where a pointer rests on it."""

    x: float
    y: float
    width: float
    height: float
    role: str
    opacity: float = 1.0
    tip: str = ""


@dataclass(frozen=True)
class Dot:
    """A filled circle."""

    x: float
    y: float
    radius: float
    role: str
    opacity: float = 1.0
    tip: str = ""


@dataclass(frozen=True)
class Text:
    """A line of text whose baseline begins, is centred or ends at a point."""

    x: float
    y: float
    text: str
    role: str = "text"
    size: float = SMALL
    anchor: Anchor = "start"
    bold: bool = False
    mono: bool = False
    upwards: bool = False


Shape: TypeAlias = Line | Rect | Dot | Text


@dataclass
class Scene:
    """Shapes in the order in which they are drawn.

    Attributes
    ----------
    title : str
        What the picture shows, for those who do not see it.
    width, height : float
        In pixels.
    """

    title: str
    height: float
    width: float = WIDTH
    shapes: list[Shape] = field(default_factory=list)

    def add(self, *shapes: Shape) -> None:
        """Draw shapes over what is there."""
        self.shapes += shapes

    def caption(self, text: str) -> None:
        """Add lines below all that is there: where the data come from, and the machine."""
        for line in wrapped(text, self.width - 24):
            self.height += 16
            self.add(Text(12, self.height - 6, line, "muted"))
        self.height += 4


_NARROW = frozenset("iljtfrI.,;:'|!()[] `’‘")
_BROAD = frozenset("mwMW@%—…")


def text_width(text: str, size: float = SMALL, *, mono: bool = False) -> float:
    """Return about how wide a text is in pixels: no font is asked, it is wide enough for most."""
    total = 0.0
    for character in text:
        if unicodedata.east_asian_width(character) in "WF":
            total += 1.05
        elif unicodedata.combining(character):
            continue
        elif mono:
            total += 0.61
        elif character in _NARROW:
            total += 0.36
        elif character in _BROAD:
            total += 0.95
        else:
            total += 0.7 if character.isupper() else 0.58
    return total * size


def fitted(text: str, width: float, size: float = SMALL, *, mono: bool = False) -> str:
    """Return a text cut to a width in pixels, with an ellipsis where it was."""
    if text_width(text, size, mono=mono) <= width:
        return text
    while text and text_width(text + "…", size, mono=mono) > width:
        text = text[:-1]
    return text + "…"


def wrapped(text: str, width: float, size: float = SMALL, *, mono: bool = False) -> list[str]:
    """Return the lines of a text, broken at spaces where it is wider than ``width`` pixels."""
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and text_width(longer, size, mono=mono) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return [fitted(line, width, size, mono=mono) for line in lines]


_SHOWN = {"\n": "⏎", "\t": "⇥", " ": "␣", "\r": "␍"}


def visible(token: str) -> str:
    """Return a token as a label: white space and what cannot be printed become visible."""
    if token.isprintable() and token.strip() == token and token:
        return token
    shown = "".join(
        _SHOWN.get(character, character if character.isprintable() else f"\\u{ord(character):04x}")
        for character in token
    )
    return shown or "(empty)"
