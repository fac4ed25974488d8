"""Pieces of HTML for notebooks: tables, coloured text, curves; self-contained, light and dark."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

__all__ = ["MOST_BITS", "coloured_text", "curve", "figure_text", "html_table", "redness"]

MOST_BITS = 10.0
"""Bits from which a part of a text is as red as it gets."""

# Colours that are read on white and on black; notebooks decide which of the two is there.
_LINE = "#8888"
_MOST_ROWS = 20
_LEFT, _RIGHT = (f"text-align: {side}; padding: 1px 8px" for side in ("left", "right"))
_SIZE = (360, 120)  # of a curve, in pixels


def figure_text(value: object) -> str:
    """Return a figure as people read it: four digits of a real number, thousands apart."""
    if isinstance(value, bool) or value is None:
        return "" if value is None else str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        if not math.isfinite(value):
            return "-" if math.isnan(value) else "∞"
        return f"{value:,.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}"
    return str(value)


def html_table(
    rows: Iterable[Sequence[object]], head: Sequence[str] = (), caption: str = ""
) -> str:
    """Return a table; of many rows the first and the last.

    Everything is escaped. Numbers are as `figure_text` writes them; below a head they stand to the
    right.
    """
    listed = list(rows)
    if len(listed) > _MOST_ROWS:
        half = _MOST_ROWS // 2
        listed = [*listed[:half], ["…"] * len(listed[0]), *listed[-half:]]
    parts = ['<table style="border-collapse: collapse; font-variant-numeric: tabular-nums">']
    if caption:
        parts.append(f'<caption style="text-align: left">{escape(caption)}</caption>')
    if head:
        cells = "".join(f'<th style="{_RIGHT}">{escape(name)}</th>' for name in head)
        parts.append(f'<tr style="border-bottom: 1px solid {_LINE}">{cells}</tr>')
    for row in listed:
        cells = "".join(_cell(value, is_column=bool(head)) for value in row)
        parts.append(f"<tr>{cells}</tr>")
    return "".join([*parts, "</table>"])


def _cell(value: object, *, is_column: bool) -> str:
    is_figure = isinstance(value, (int, float)) or value == "…"
    style = _RIGHT if is_column and is_figure else _LEFT
    return f'<td style="{style}">{escape(figure_text(value))}</td>'


def redness(bits: float, most: float = MOST_BITS) -> float:
    """Return how much of its red a part shows: from 0 to 0.7, at which text can still be read."""
    return 0.7 * min(max(bits, 0.0), most) / most


def coloured_text(parts: Iterable[tuple[str, float | None]], most: float = MOST_BITS) -> str:
    """Return text whose parts are the redder, the more bits each took.

    Parameters
    ----------
    parts : iterable of (str, float or None)
        Text and its bits; None for text that was not predicted.
    most : float
        Bits from which a part is as red as it gets.
    """
    spans = []
    for text, bits in parts:
        shown = escape(text)
        if bits is None:
            spans.append(shown)
            continue
        spans.append(
            f'<span style="background: rgba(220, 50, 30, {redness(bits, most):.2f})" '
            f'title="{bits:.2f} bits">{shown}</span>'
        )
    return f'<div style="white-space: pre-wrap; font-family: monospace">{"".join(spans)}</div>'


def curve(points: Sequence[tuple[float, float]], label: str) -> str:
    """Return a small picture (SVG) of a curve with its label; nothing for fewer than two points."""
    sound = [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
    if len(sound) < 2:
        return ""
    width, height = _SIZE
    xs, ys = [x for x, _ in sound], [y for _, y in sound]
    low, high = min(ys), max(ys)
    across, up = (xs[-1] - xs[0]) or 1.0, (high - low) or 1.0
    line = " ".join(
        f"{4 + (x - xs[0]) / across * (width - 8):.1f},{4 + (high - y) / up * (height - 24):.1f}"
        for x, y in sound
    )
    text = f"{label}: {figure_text(ys[0])} → {figure_text(ys[-1])}"
    return (
        f'<svg width="{width}" height="{height}" role="img" aria-label="{escape(text)}">'
        f'<polyline points="{line}" fill="none" stroke="#3b82c4" stroke-width="2"/>'
        f'<text x="4" y="{height - 5}" font-size="12" fill="currentColor">{escape(text)}</text>'
        "</svg>"
    )
