"""A map: tokens at places in two dimensions, labelled without overlap, coloured by group."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from fastlm.pictures.palette import SERIES
from fastlm.pictures.scene import Dot, Line, Scene, Text, fitted, text_width, visible

__all__ = ["MapPoint", "Place", "map_scene", "placed"]

_EDGE = 34.0
_PLOT_HEIGHT = 480.0
# How far a label may stand from its point, in pixels, and the steps on the way.
_FARTHEST = 60.0
_DIRECTIONS = 12


@dataclass(frozen=True)
class MapPoint:
    """A token of a map.

    Attributes
    ----------
    label : str
    x, y : float
        In any unit, the same for both.
    group : int
        From 0; it decides the colour.
    """

    label: str
    x: float
    y: float
    group: int = 0


@dataclass(frozen=True)
class Place:
    """Where a label stands: its box in pixels, its point, and whether it left it."""

    left: float
    top: float
    width: float
    height: float
    x: float
    y: float
    moved: bool

    def meets(self, other: Place) -> bool:
        """Return whether two boxes overlap."""
        return (
            self.left < other.left + other.width
            and other.left < self.left + self.width
            and self.top < other.top + other.height
            and other.top < self.top + self.height
        )


def placed(
    points: Sequence[tuple[float, float]], sizes: Sequence[tuple[float, float]],
    room: tuple[float, float, float, float],
) -> list[Place | None]:  # fmt: skip
    """Find a place for each label that no other one overlaps, the first ones first.

    A label stands on its point if it can, else beside it, ever further out. One that finds no
    place gets None.

    Parameters
    ----------
    points : sequence of (x, y)
        In pixels.
    sizes : sequence of (width, height)
    room : (left, top, right, bottom)
        What no label leaves.
    """
    taken: list[Place] = []
    found: list[Place | None] = []
    for (x, y), (width, height) in zip(points, sizes, strict=True):
        chosen = None
        for dx, dy in _offsets(width, height):
            box = Place(
                x + dx - width / 2, y + dy - height / 2, width, height, x, y, bool(dx or dy)
            )
            inside = (
                box.left >= room[0]
                and box.top >= room[1]
                and box.left + width <= room[2]
                and box.top + height <= room[3]
            )
            if inside and not any(box.meets(other) for other in taken):
                chosen = box
                break
        if chosen is not None:
            taken.append(chosen)
        found.append(chosen)
    return found


def _offsets(width: float, height: float) -> list[tuple[float, float]]:
    offsets = [(0.0, 0.0)]
    distance = 4.0
    while distance <= _FARTHEST:
        for number in range(_DIRECTIONS):
            angle = 2 * math.pi * number / _DIRECTIONS
            across, down = math.cos(angle), math.sin(angle)
            offsets.append((across * (distance + width / 2), down * (distance + height / 2)))
        distance += 8
    return offsets


def map_scene(
    title: str, points: Sequence[MapPoint], groups: Sequence[str], caption: str = ""
) -> Scene:
    """Return a map.

    Parameters
    ----------
    title : str
    points : sequence of MapPoint
        The most important first: their labels stand best.
    groups : sequence of str
        What each group is called.
    caption : str
    """
    top = 40.0 + 22 * len(groups)
    scene = Scene(title, top + _PLOT_HEIGHT)
    scene.add(Text(12, 24, fitted(title, scene.width - 24, 16), "text", 16, bold=True))
    for number, name in enumerate(groups):
        role, y = SERIES[number % len(SERIES)], 46.0 + 22 * number
        scene.add(Dot(19, y - 4, 6, role))
        scene.add(Text(32, y, fitted(name, scene.width - 44, 13), "muted", 13))
    size = 20.0 if len(points) <= 60 else 13.0
    places = _pixels(points, scene.width, top)
    sizes = [(text_width(visible(p.label), size) + 4, size * 1.15) for p in points]
    room = (4.0, top, scene.width - 4, top + _PLOT_HEIGHT)
    hidden = 0
    later: list[Text] = []
    for point, (x, y), place in zip(points, places, placed(places, sizes, room), strict=True):
        role = SERIES[point.group % len(SERIES)]
        if place is None:
            hidden += 1
            scene.add(Dot(x, y, 3, role, 0.6, tip=visible(point.label)))
            continue
        middle = place.left + place.width / 2, place.top + place.height / 2
        if place.moved:
            scene.add(Dot(x, y, 2.5, role, 0.8))
            if math.dist(middle, (x, y)) > max(place.width, place.height) / 2 + 10:
                scene.add(Line([(x, y), middle], role, 1, 0.3))
        later.append(
            Text(middle[0], middle[1] + size * 0.35, visible(point.label), role, size, "middle")
        )
    scene.add(*later)
    if hidden:
        caption = f"{caption} {hidden} of {len(points)} tokens are dots: no room for a label."
    if caption:
        scene.caption(caption.strip())
    return scene


def _pixels(points: Sequence[MapPoint], width: float, top: float) -> list[tuple[float, float]]:
    """Return the pixels of points: each axis fills its room, the picture is no measure."""
    left, right = min(p.x for p in points), max(p.x for p in points)
    low, high = min(p.y for p in points), max(p.y for p in points)
    across = (width - 2 * _EDGE) / ((right - left) or 1.0)
    up = (_PLOT_HEIGHT - 2 * _EDGE) / ((high - low) or 1.0)
    return [(_EDGE + (p.x - left) * across, top + _EDGE + (high - p.y) * up) for p in points]
