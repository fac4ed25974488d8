"""Learning curves: losses by step and by minute, of one run or several, and what a run wrote."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fastlm.pictures.axes import Panel, short_number
from fastlm.pictures.palette import SERIES
from fastlm.pictures.scene import Dot, Line, Scene, Text, text_width, visible, wrapped

__all__ = ["Curve", "Point", "Sample", "averaged", "chosen_samples", "curve_scene"]

WINDOWS = 50
"""Into how many windows a run is cut; each is one point of a training line."""

_LEFT, _GAP, _RIGHT, _HEIGHT = 64.0, 70.0, 20.0, 270.0
_ROW = 18.0
_MOST_SAMPLES = 8
# Numbers that have room beside each other on the axis of steps.
_APART = 20


class Point(NamedTuple):
    """A loss in nats per token, with its step and its seconds (NaN: not known)."""

    step: int
    seconds: float
    loss: float


class Sample(NamedTuple):
    """What a model wrote, and at which step."""

    step: int
    text: str


@dataclass(frozen=True)
class Curve:
    """A run.

    Attributes
    ----------
    name : str
    train : sequence of Point
        Means over the steps since the point before: `averaged`.
    valid : sequence of Point
    window : int
        Steps of a mean, about.
    samples : sequence of Sample
    """

    name: str
    train: Sequence[Point] = ()
    valid: Sequence[Point] = ()
    window: int = 0
    samples: Sequence[Sample] = field(default=())

    @property
    def best(self) -> Point | None:
        """The validation of least loss, the first of equals; None without any."""
        return min(self.valid, key=lambda point: point.loss, default=None)

    @property
    def points(self) -> list[Point]:
        """All points."""
        return [*self.train, *self.valid]


def averaged(rows: Iterable[Mapping[str, Any]], windows: int = WINDOWS) -> tuple[list[Point], int]:
    """Return the training losses of a metrics file as means over equally many steps each.

    A row's loss is the mean since the row before, which may be one step or thousands ago. One line
    through both would jump, so rows are put together to windows of one length.

    Parameters
    ----------
    rows : iterable of mapping
        In order, with ``event``, ``step``, ``seconds`` and, where steps were made, ``loss``. After
        a rollback the run goes on at an earlier step, and what it had lost is left out.
    windows : int

    Returns
    -------
    points : list of Point
    window : int
        Steps of each, in the median: a window is at least as long as a row, and the last one is
        not much shorter than the others.
    """
    spans: list[tuple[int, int, float, float]] = []  # begin, end, seconds, loss
    before = 0
    for row in rows:
        step = int(row["step"])
        if row["event"] == "rollback":
            spans = [span for span in spans if span[1] <= step]
            before = step
            continue
        loss: Any = row.get("loss")
        if _is_number(loss) and step > before:
            spans.append((before, step, _seconds(row), float(loss)))
        before = max(step, 0)
    if not spans:
        return [], 0
    last = spans[-1][1]
    window = max(1, math.ceil(last / windows))
    points: list[Point] = []
    sizes: list[int] = []
    steps, total = 0, 0.0
    for begin, end, seconds, loss in spans:
        steps += end - begin
        total += loss * (end - begin)
        if end // window > (end - steps) // window or end == last:
            points.append(Point(end, seconds, total / steps))
            sizes.append(steps)
            steps, total = 0, 0.0
    if len(points) > 1 and sizes[-1] < window / 2:
        # A few last steps alone would be a point of noise.
        tail, earlier = points.pop(), points.pop()
        few, many = sizes.pop(), sizes.pop()
        mean = (earlier.loss * many + tail.loss * few) / (many + few)
        points.append(tail._replace(loss=mean))
        sizes.append(many + few)
    return points, sorted(sizes)[len(sizes) // 2]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _seconds(row: Mapping[str, Any]) -> float:
    seconds: Any = row.get("seconds")
    return float(seconds) if _is_number(seconds) else math.nan


def chosen_samples(samples: Sequence[Sample], most: int = _MOST_SAMPLES) -> list[Sample]:
    """Return the first sample, the last, and some between: each later by about the same factor.

    They are as far apart as their numbers on a curve need.
    """
    if len(samples) <= 2:
        return list(samples)
    first, last = max(1, samples[0].step), max(2, samples[-1].step)
    wanted = [first * (last / first) ** (n / (most - 1)) for n in range(most)]
    places: list[int] = []
    for step in wanted:
        place = min(range(len(samples)), key=lambda at: abs(samples[at].step - step))
        apart = not places or samples[place].step - samples[places[-1]].step >= last / _APART
        if apart and place not in places:
            places.append(place)
    if places[-1] != len(samples) - 1:
        places[-1] = len(samples) - 1
    return [samples[place] for place in sorted(places)]


def curve_scene(curves: Sequence[Curve], caption: str = "") -> Scene:
    """Return the losses of runs by step and by minute; of one run with its samples below.

    Parameters
    ----------
    curves : sequence of Curve
        At least one, with at least one point.
    caption : str
        Where the data come from.
    """
    scene = Scene(f"Loss of {', '.join(curve.name for curve in curves)}", 0.0)
    top = _legend(scene, curves)
    points = [point for curve in curves for point in curve.points]
    timed = any(point.seconds > 0 for point in points)
    room = scene.width - _LEFT - _RIGHT
    width = (room - _GAP) / 2 if timed else room
    y_range = _padded([point.loss for point in points])
    last = max(point.step for point in points)
    steps = Panel(_LEFT, top, width, _HEIGHT, (0, max(1, last)), y_range)
    steps.draw(scene, "steps", "loss, nats per token")
    _draw(scene, steps, curves, minutes=False)
    if timed:
        longest = max(point.seconds for point in points if point.seconds > 0) / 60
        minutes = Panel(_LEFT + width + _GAP, top, width, _HEIGHT, (0, longest), y_range)
        minutes.draw(scene, "minutes of training")
        _draw(scene, minutes, curves, minutes=True)
    scene.height = top + _HEIGHT + 44
    if len(curves) == 1 and curves[0].samples:
        _samples(scene, steps, curves[0])
    if caption:
        scene.caption(caption)
    return scene


def _legend(scene: Scene, curves: Sequence[Curve]) -> float:
    """Draw a line of text for each run; return where the panels begin."""
    y = 22.0
    several = len(curves) > 1
    for number, curve in enumerate(curves):
        role = SERIES[number % len(SERIES)]
        x = 12.0
        scene.add(Text(x, y, curve.name, "text", 14, bold=True))
        x += text_width(curve.name, 15.5) + 18
        if curve.train:
            scene.add(Line([(x, y - 4), (x + 22, y - 4)], role, 1.5, 0.7))
            text = f"training (means of about {curve.window:,} step{'s' * (curve.window != 1)})"
            scene.add(Text(x + 28, y, text, "muted"))
            x += 40 + text_width(text)
        if curve.valid:
            scene.add(Line([(x, y - 4), (x + 22, y - 4)], _of_valid(role, several), 2))
            scene.add(Dot(x + 11, y - 4, 3.5, _of_valid(role, several)))
            best = curve.best
            text = "validation" + (f", best {best.loss:.4f}" if best else "")
            scene.add(Text(x + 28, y, text, "muted"))
        y += 20
    return y + 4


def _of_valid(role: str, several: bool) -> str:
    """Of several runs each has one colour; of one, training and validation have two."""
    return role if several else SERIES[1]


def _draw(scene: Scene, panel: Panel, curves: Sequence[Curve], *, minutes: bool) -> None:
    several = len(curves) > 1
    for number, curve in enumerate(curves):
        role = SERIES[number % len(SERIES)]
        train = _places(panel, curve.train, minutes)
        valid = _places(panel, curve.valid, minutes)
        if len(train) > 1:
            scene.add(Line(train, role, 1.5, 0.7))
        elif train:
            scene.add(Dot(*train[0], 3, role))  # a line of one point would not show
        if len(valid) > 1:
            scene.add(Line(valid, _of_valid(role, several), 2))
        for (x, y), point in zip(valid, _shown(curve.valid, minutes), strict=True):
            tip = f"step {point.step:,}: {point.loss:.4f}"
            scene.add(Dot(x, y, 3, _of_valid(role, several), tip=tip))


def _shown(points: Sequence[Point], minutes: bool) -> list[Point]:
    return [point for point in points if not minutes or point.seconds >= 0]


def _places(panel: Panel, points: Sequence[Point], minutes: bool) -> list[tuple[float, float]]:
    return [
        (panel.x(point.seconds / 60 if minutes else point.step), panel.y(point.loss))
        for point in _shown(points, minutes)
    ]


def _padded(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    edge = 0.05 * (high - low) or 0.05 * abs(high) or 1.0
    return max(0.0, low - edge) if low >= 0 else low - edge, high + edge


def _samples(scene: Scene, panel: Panel, curve: Curve) -> None:
    """Mark samples on the curve by number, and write them below it."""
    chosen = chosen_samples(curve.samples)
    line = sorted(curve.train or curve.valid)
    y = scene.height + 14
    for number, sample in enumerate(chosen, start=1):
        if sample.step <= panel.x_range[1]:
            at = panel.x(sample.step), panel.y(_loss_at(line, sample.step))
            scene.add(
                Dot(*at, 8, "text"), Text(at[0], at[1] + 4, str(number), "card", 11, "middle")
            )
        scene.add(Dot(20, y - 4, 8, "text"), Text(20, y, str(number), "card", 11, "middle"))
        label = f"step {short_number(sample.step)}"
        scene.add(Text(36, y, label, "muted"))
        text = "".join(map(_shown_character, sample.text.strip("\n")))
        for row in wrapped(text, scene.width - 130, 12, mono=True)[:2]:
            scene.add(Text(118, y, row, "text", 12, mono=True))
            y += _ROW
        y += 6
    scene.height = y - 4


def _shown_character(character: str) -> str:
    return character if character == " " else visible(character)


def _loss_at(line: Sequence[Point], step: int) -> float:
    """Return the loss at a step, between those of the points around it."""
    after = next((point for point in line if point.step >= step), line[-1])
    before = next((point for point in reversed(line) if point.step <= step), line[0])
    if after.step == before.step:
        return after.loss
    share = (step - before.step) / (after.step - before.step)
    return before.loss + share * (after.loss - before.loss)
