"""Pictures of characters, for terminals and pipes: curves, bars, histograms, maps."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, TextIO

from fastlm.pictures.axes import Panel, log_ticks, short_number, ticks
from fastlm.pictures.bars import BarGroup
from fastlm.pictures.curves import Curve, Point, chosen_samples
from fastlm.pictures.histogram import Histogram
from fastlm.pictures.map import MapPoint
from fastlm.pictures.palette import SERIES
from fastlm.pictures.scene import visible

if TYPE_CHECKING:
    from rich.text import Text

__all__ = ["bar_lines", "curve_lines", "histogram_lines", "map_lines", "write_lines"]

_STYLES = {"c0": "blue", "c1": "yellow", "c2": "green", "c3": "magenta", "c4": "red", "c5": "cyan"}
_LEFT = 9  # columns of the numbers beside a picture
_ROWS = 16
# Where a label of a map may stand beside its place, in rows and columns.
_BESIDE = ((0, 0), (0, 2), (0, -2), (1, 0), (-1, 0), (1, 2), (-1, -2), (2, 0), (-2, 0))

# The bits of the dots of a braille character (U+2800), by row and column.
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


def write_lines(lines: Iterable[Text], stream: TextIO | None = None) -> None:
    """Write lines: with colours to a terminal, without them elsewhere."""
    from rich.console import Console

    console = Console(file=stream or sys.stdout, highlight=False, emoji=False, markup=False)
    for line in lines:
        console.print(line, soft_wrap=True)


def _text(*parts: tuple[str, str] | str) -> Text:
    from rich.text import Text

    return Text.assemble(*parts)


def _style(group: int) -> str:
    return _STYLES[SERIES[group % len(SERIES)]]


class _Canvas:
    """Cells of which each has 2 x 4 dots, or without UTF-8 one."""

    def __init__(self, columns: int, rows: int, *, utf8: bool) -> None:
        self.columns, self.rows, self._utf8 = columns, rows, utf8
        self._dots: dict[tuple[int, int], int] = {}
        self._style: dict[tuple[int, int], str] = {}
        self.across, self.down = (2, 4) if utf8 else (1, 1)

    def put(self, x: float, y: float, style: str) -> None:
        """Set the dot at a place; (0, 0) is the upper left, (1, 1) the lower right."""
        column = min(max(int(x * self.columns * self.across), 0), self.columns * self.across - 1)
        row = min(max(int(y * self.rows * self.down), 0), self.rows * self.down - 1)
        cell = (column // self.across, row // self.down)
        self._dots[cell] = self._dots.get(cell, 0) | _DOTS[row % self.down][column % self.across]
        self._style[cell] = style

    def line(self, begin: tuple[float, float], end: tuple[float, float], style: str) -> None:
        """Set the dots between two places."""
        steps = 1 + int(
            max(
                abs(end[0] - begin[0]) * self.columns * self.across,
                abs(end[1] - begin[1]) * self.rows * self.down,
            )
        )
        for number in range(steps + 1):
            share = number / steps
            self.put(
                begin[0] + share * (end[0] - begin[0]), begin[1] + share * (end[1] - begin[1]),
                style,
            )  # fmt: skip

    def row(self, row: int) -> list[tuple[str, str]]:
        """Return the characters of a row with their styles."""
        parts = []
        for column in range(self.columns):
            dots = self._dots.get((column, row), 0)
            character = (chr(0x2800 + dots) if self._utf8 else "*") if dots else " "
            parts.append((character, self._style.get((column, row), "")))
        return parts


def curve_lines(
    curves: Sequence[Curve], columns: int, *, minutes: bool = False, utf8: bool = True
) -> list[Text]:
    """Return the losses of runs by step or by minute, and of one run its samples.

    Parameters
    ----------
    curves : sequence of Curve
        At least one, with at least one point.
    columns : int
        Of the terminal.
    minutes : bool
        Whether minutes are below the curves, not steps.
    utf8 : bool
        Whether the terminal takes all characters.
    """
    points = [p for curve in curves for p in curve.points if not minutes or p.seconds >= 0]
    losses = [point.loss for point in points]
    low, high = min(losses), max(losses)
    edge = 0.03 * (high - low) or 0.1
    last = max((p.seconds / 60 if minutes else p.step for p in points), default=1) or 1
    frame = Panel(0, 0, 1, 1, (0, last), (low - edge, high + edge))
    canvas = _Canvas(max(20, columns - _LEFT - 2), _ROWS, utf8=utf8)
    lines: list[Text] = []
    for number, curve in enumerate(curves):
        style = _style(number)
        valid = style if len(curves) > 1 else _style(1)
        _trace(canvas, frame, curve.train, style, minutes)
        _trace(canvas, frame, curve.valid, valid, minutes)
        parts: list[tuple[str, str] | str] = [(curve.name, "bold")]
        if curve.train:
            mark = "⠒⠒" if utf8 else "**"
            parts += ["  ", (mark, style), f" training (means of about {curve.window:,} steps)"]
        if curve.best is not None:
            mark = "⠒⠒" if utf8 else "**"
            parts += ["  ", (mark, valid), f" validation, best {curve.best.loss:.4f}"]
        lines.append(_text(*parts))
    labels = _rows_of(ticks(*frame.y_range, 5), frame)
    lines += [
        _text((f"{labels.get(row, ''):>{_LEFT - 2}} ", "dim"), "|", *canvas.row(row))
        for row in range(_ROWS)
    ]
    lines += _below(ticks(0, last, 6), frame, canvas.columns, "minutes" if minutes else "steps")
    if len(curves) == 1:
        for sample in chosen_samples(curves[0].samples):
            text = "".join(c if c == " " else visible(c) for c in sample.text.strip("\n"))
            label = f"{f'step {short_number(sample.step)}':<12}"
            lines.append(_text((label, "dim"), text[: max(20, columns - 13)]))
    return lines


def _trace(
    canvas: _Canvas, frame: Panel, points: Sequence[Point], style: str, minutes: bool
) -> None:
    places = [
        (frame.x(point.seconds / 60 if minutes else point.step), frame.y(point.loss))
        for point in points
        if not minutes or point.seconds >= 0
    ]
    for place in places[:1]:
        canvas.put(*place, style)
    for begin, end in pairwise(places):
        canvas.line(begin, end, style)


def _rows_of(values: Sequence[float], frame: Panel) -> dict[int, str]:
    return {min(_ROWS - 1, int(frame.y(value) * _ROWS)): short_number(value) for value in values}


def _below(values: Sequence[float], frame: Panel, columns: int, unit: str) -> list[Text]:
    """Return the line below a picture, and the numbers below that."""
    numbers = [" "] * (columns + 8)
    for value in values:
        text = short_number(value)
        start = max(0, int(frame.x(value) * (columns - 1)) - len(text) // 2)
        if all(c == " " for c in numbers[max(0, start - 1) : start + len(text) + 1]):
            numbers[start : start + len(text)] = text
    return [
        _text(" " * (_LEFT - 1), "+" + "-" * columns),
        _text((" " * _LEFT + "".join(numbers).rstrip() + f"  {unit}", "dim")),
    ]


def bar_lines(groups: Sequence[BarGroup], columns: int, *, utf8: bool = True) -> list[Text]:
    """Return groups of bars below each other, all of one scale."""
    longest = max((value for group in groups for value in group.values), default=0) or 1.0
    labels = [visible(label) for group in groups for label in group.labels]
    wide = min(24, max(map(len, labels), default=0))
    after = max((len(text) for group in groups for text in group.texts), default=0)
    room = max(8, min(60, columns - wide - after - 4))
    lines: list[Text] = []
    for group in groups:
        if group.title:
            lines.append(_text((group.title, "bold")))
        for label, value, text in zip(group.labels, group.values, group.texts, strict=True):
            bar = _bar(max(0.0, value) / longest * room, utf8=utf8)
            lines.append(_text(f"{visible(label)[:wide]:>{wide}} ", (bar, _style(0)), f" {text}"))
    return lines


def _bar(length: float, *, utf8: bool) -> str:
    if not utf8:
        return "#" * round(length)
    whole, part = divmod(round(length * 8), 8)
    return "█" * whole + (" ▏▎▍▌▋▊▉"[part] if part else "")


def histogram_lines(histogram: Histogram, columns: int, *, utf8: bool = True) -> list[Text]:
    """Return a histogram of upright bars; those above the threshold have another colour."""
    bins = len(histogram.counts)
    cell = max(1, (columns - _LEFT - 2) // bins)
    wide = cell * bins
    most = max(histogram.counts) or 1
    edges = histogram.edges
    frame = Panel(0, 0, 1, 1, (edges[0], edges[-1]), (0, most), histogram.log)
    blocks = " ▁▂▃▄▅▆▇█" if utf8 else " ........"
    lines: list[Text] = []
    if histogram.split:
        lines.append(_text(histogram.split))
    labels = {0: short_number(most), _ROWS - 1: "0"}
    for row in range(_ROWS):
        parts: list[tuple[str, str] | str] = [(f"{labels.get(row, ''):>{_LEFT - 2}} ", "dim"), "|"]
        for number, count in enumerate(histogram.counts):
            eighths = round(count / most * _ROWS * 8)
            # A bin that holds anything is seen.
            eighths = max(eighths, 1) if count else 0
            full = "█" if utf8 else "#"
            level = eighths - 8 * (_ROWS - 1 - row)
            character = full if level >= 8 else blocks[max(0, level)]
            above = histogram.threshold is not None and (
                (edges[number] + edges[number + 1]) / 2 > histogram.threshold
            )
            parts.append((character * cell, _style(1 if above else 0)))
        lines.append(_text(*parts))
    values = (log_ticks if histogram.log else ticks)(edges[0], edges[-1], 6)
    lines += _below(values, frame, wide, histogram.name)
    threshold = histogram.threshold
    if threshold is not None and edges[0] <= threshold <= edges[-1]:
        at = int(frame.x(threshold) * (wide - 1))
        mark = f"{'▲' if utf8 else '^'} {short_number(threshold)}"
        lines.insert(-1, _text(" " * (_LEFT + at), (mark, "bold")))
    return lines


def map_lines(
    points: Sequence[MapPoint], groups: Sequence[str], columns: int, rows: int = 24
) -> list[Text]:
    """Return a map of labels; of two that meet, the first one stays.

    Parameters
    ----------
    points : sequence of MapPoint
        The most important first.
    groups : sequence of str
        What each group is called.
    columns, rows : int
        Of the terminal that may be used.
    """
    wide = max(20, columns - 1)
    grid: list[list[tuple[str, str]]] = [[(" ", "")] * wide for _ in range(rows)]
    left, right = min(p.x for p in points), max(p.x for p in points)
    low, high = min(p.y for p in points), max(p.y for p in points)
    left_out = 0
    for point in points:
        label = visible(point.label)[: wide // 3]
        across = (point.x - left) / ((right - left) or 1.0)
        up = (high - point.y) / ((high - low) or 1.0)
        column = round(across * (wide - 1) - len(label) / 2)
        column = min(max(0, column), wide - len(label))
        row = round(up * (rows - 1))
        if not _put(grid, row, column, label, _style(point.group)):
            left_out += 1
    lines = [_text(("● ", _style(number)), name) for number, name in enumerate(groups)]
    lines += [_text(*row) for row in grid]
    if left_out:
        lines.append(_text((f"{left_out} of {len(points)} tokens have no room here", "dim")))
    return lines


def _put(grid: list[list[tuple[str, str]]], row: int, column: int, label: str, style: str) -> bool:
    """Write a label at its place or a row or column beside it, where it touches no other one."""
    for down, aside in (
        (0, 0),
        (0, 2),
        (0, -2),
        (1, 0),
        (-1, 0),
        (1, 2),
        (-1, -2),
        (2, 0),
        (-2, 0),
    ):
        at, begin = row + down, column + aside
        if not (0 <= at < len(grid) and begin >= 0 and begin + len(label) <= len(grid[at])):
            continue
        around = grid[at][max(0, begin - 1) : begin + len(label) + 1]
        if all(character == " " for character, _ in around):
            for offset, character in enumerate(label):
                grid[at][begin + offset] = (character, style)
            return True
    return False
