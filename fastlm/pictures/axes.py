"""Axes: numbers to pixels, and the ticks that are written beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fastlm.pictures.scene import Line, Scene, Text

__all__ = ["Panel", "log_ticks", "short_number", "ticks"]

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return round numbers from low to high, at most ``most`` of them, evenly apart."""
    if not high > low:
        return [low]
    rough = (high - low) / max(1, most)
    size = 10.0 ** math.floor(math.log10(rough))
    for factor in _STEPS:
        step = factor * size
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first + 1 <= most:
            return [number * step for number in range(first, last + 1)]
    return [low, high]


def log_ticks(low: float, high: float, most: int = 8) -> list[float]:
    """Return 1, 2, 5, 10, ... from low to high, or fewer of them where they are many."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    decades = [10.0**power for power in range(first, last + 1)]
    for factors in ((1, 2, 5), (1, 3), (1,)):
        found = [f * d for d in decades for f in factors if low <= f * d <= high]
        if len(found) <= most:
            return found
    decades = [d for d in decades if low <= d <= high]
    return decades[:: -(-len(decades) // most)]


def short_number(value: float) -> str:
    """Return a number as a tick has it: 0.5, 12, 2,500, 30k, 1.5M."""
    size = abs(value)
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size >= unit:
            unit = 1e3 if name == "k" else unit
            return f"{value / unit:.4g}{name}"
    return f"{value:,.0f}" if size >= 1000 else f"{value:.4g}"


@dataclass(frozen=True)
class Panel:
    """A rectangle of a scene with an axis of numbers on its lower and its left edge.

    Attributes
    ----------
    left, top, width, height : float
        In pixels.
    x_range, y_range : (float, float)
        The numbers at its edges.
    log_x : bool
        Whether the lower axis is logarithmic.
    """

    left: float
    top: float
    width: float
    height: float
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    log_x: bool = False

    def x(self, value: float) -> float:
        """Return the pixel of a number on the lower axis."""
        low, high = self.x_range
        if self.log_x:
            low, high, value = math.log(low), math.log(high), math.log(value)
        return self.left + (value - low) / ((high - low) or 1.0) * self.width

    def y(self, value: float) -> float:
        """Return the pixel of a number on the left axis."""
        low, high = self.y_range
        return self.top + (high - value) / ((high - low) or 1.0) * self.height

    def draw(
        self,
        scene: Scene,
        x_label: str,
        y_label: str = "",
        x_ticks: Sequence[float] | None = None,
    ) -> None:
        """Draw the lines of a grid, the numbers beside them, and what they are."""
        right, bottom = self.left + self.width, self.top + self.height
        for value in ticks(*self.y_range, 6):
            y = self.y(value)
            scene.add(Line([(self.left, y), (right, y)], "grid", 1))
            scene.add(Text(self.left - 6, y + 4, short_number(value), "muted", anchor="end"))
        if x_ticks is None:
            x_ticks = (log_ticks if self.log_x else ticks)(*self.x_range, 7)
        for value in x_ticks:
            x = self.x(value)
            scene.add(Line([(x, bottom), (x, bottom + 4)], "grid", 1))
            scene.add(Text(x, bottom + 17, short_number(value), "muted", anchor="middle"))
        scene.add(Line([(self.left, bottom), (right, bottom)], "muted", 1))
        scene.add(Text(self.left + self.width / 2, bottom + 34, x_label, "muted", anchor="middle"))
        if y_label:
            middle = self.top + self.height / 2
            label = Text(self.left - 44, middle, y_label, "muted", anchor="middle", upwards=True)
            scene.add(label)
