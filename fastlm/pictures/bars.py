"""Bars: what comes next at several temperatures, nearest neighbours, weights by place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastlm.pictures.scene import Rect, Scene, Text, fitted, text_width, visible

__all__ = ["BarGroup", "bar_scene"]

_ROW = 24.0
_TEXT = 13.0


@dataclass(frozen=True)
class BarGroup:
    """Bars below each other.

    Attributes
    ----------
    title : str
        Empty: none.
    labels : sequence of str
    values : sequence of float
        At least 0 for bars; others have none.
    texts : sequence of str
        The values as they are written.
    """

    title: str
    labels: Sequence[str]
    values: Sequence[float]
    texts: Sequence[str]


def bar_scene(title: str, groups: Sequence[BarGroup], caption: str = "", role: str = "c0") -> Scene:
    """Return groups of bars beside each other; all have one scale.

    Parameters
    ----------
    title : str
        Written above.
    groups : sequence of BarGroup
    caption : str
    role : str
        The colour of the bars.
    """
    rows = max(len(group.labels) for group in groups)
    titled = any(group.title for group in groups)
    top = 34.0 + 26 * titled
    scene = Scene(title, top + _ROW * rows + 8)
    scene.add(Text(12, 22, fitted(title, scene.width - 24, 15), "text", 15, bold=True))
    longest = max((value for group in groups for value in group.values), default=0) or 1.0
    width = (scene.width - 12) / len(groups)
    for number, group in enumerate(groups):
        left = 12 + number * width
        if titled:
            scene.add(Text(left, 46, group.title, "muted", _TEXT))
        shown = [fitted(visible(label), width * 0.4, _TEXT, mono=True) for label in group.labels]
        begin = left + max((text_width(s, _TEXT, mono=True) for s in shown), default=0) + 8
        after = max((text_width(text) for text in group.texts), default=0) + 6
        room = left + width - 20 - after - begin
        for row, (label, value, text) in enumerate(
            zip(shown, group.values, group.texts, strict=True)
        ):
            y = top + _ROW * row
            size = max(1.0, value / longest * room) if value > 0 else 0.0
            scene.add(Text(begin - 8, y + 14, label, "text", _TEXT, "end", mono=True))
            scene.add(Rect(begin, y + 2, size, 16, role, 0.85, tip=f"{label} {text}"))
            scene.add(Text(begin + size + 6, y + 14, text, "muted"))
    if caption:
        scene.caption(caption)
    return scene
