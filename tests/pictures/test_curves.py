"""Learning curves: one window a line, in order, with the numbers of the rows."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlm.pictures.curves import Curve, Point, Sample, averaged, chosen_samples, curve_scene
from fastlm.pictures.scene import Line, Text
from tests.pictures.scenes import check_inside, of_kind, parsed, texts


def rows(*losses, size=10):
    return [
        {"event": "progress", "step": size * n, "seconds": float(n), "loss": loss}
        for n, loss in enumerate(losses, start=1)
    ]


@given(
    sizes=st.lists(st.integers(1, 300), min_size=1, max_size=80),
    windows=st.integers(1, 60),
    data=st.data(),
)
def test_windows_keep_the_mean_of_the_run(sizes, windows, data):
    losses = data.draw(st.lists(st.floats(0, 9), min_size=len(sizes), max_size=len(sizes)))
    step, found = 0, []
    for size, loss in zip(sizes, losses, strict=True):
        step += size
        found.append({"event": "progress", "step": step, "seconds": step / 7, "loss": loss})
    points, window = averaged(found, windows)
    assert points[-1].step == step
    assert len(points) <= windows
    assert window >= 1
    before, total = 0, 0.0
    for point in points:
        assert point.step > before
        total += point.loss * (point.step - before)
        before = point.step
    assert total == pytest.approx(sum(s * x for s, x in zip(sizes, losses, strict=True)))


def test_a_short_row_before_a_validation_makes_no_jump():
    """One step after 999: its loss alone would be a spike of a line of means."""
    given = [
        {"event": "progress", "step": 999, "seconds": 5.0, "loss": 2.0},
        {"event": "validation", "step": 1000, "seconds": 5.1, "loss": 9.0, "valid_loss": 2.5},
        {"event": "progress", "step": 2000, "seconds": 9.0, "loss": 1.0},
    ]
    points, window = averaged(given, windows=2)
    assert [point.step for point in points] == [1000, 2000]
    assert points[0].loss == pytest.approx((999 * 2 + 9) / 1000)
    assert window == 1000


def test_a_few_last_steps_are_no_point_of_their_own():
    given = rows(*[2.0] * 10)
    given.append({"event": "progress", "step": 101, "seconds": 3.0, "loss": 9.0})
    points, window = averaged(given, windows=10)
    assert points[-1].step == 101
    assert points[-1].loss < 3
    assert window >= 10


def test_after_a_rollback_the_lost_steps_are_left_out():
    given = [*rows(3.0, 9.0, 9.0), {"event": "rollback", "step": 10, "seconds": 4.0}]
    given.append({"event": "progress", "step": 20, "seconds": 5.0, "loss": 2.0})
    points, _ = averaged(given)
    assert [(p.step, p.loss) for p in points] == [(10, 3.0), (20, 2.0)]


def test_rows_without_a_loss():
    none = {"event": "progress", "step": 5, "seconds": None, "loss": None}
    assert averaged([none]) == ([], 0)
    points, _ = averaged([none, *rows(2.0)])
    assert points[0].loss == 2.0
    assert points[0].step == 10


def test_samples_are_chosen_apart_with_the_first_and_the_last():
    samples = [Sample(step, str(step)) for step in range(10, 10_001, 10)]
    chosen = chosen_samples(samples)
    assert len(chosen) <= 8
    assert chosen[0].step == 10
    assert chosen[-1].step == 10_000
    steps = [sample.step for sample in chosen]
    assert min(b - a for a, b in itertools.pairwise(steps)) >= 10_000 / 20
    assert chosen_samples(samples[:1]) == samples[:1]
    assert chosen_samples([]) == []


def curve(name="a", seconds=True, samples=()):
    train = [Point(n * 10, n * 60.0 if seconds else math.nan, 3 - n / 10) for n in range(1, 11)]
    valid = [Point(50, 300.0 if seconds else math.nan, 2.6), Point(100, 600.0, 2.25)]
    return Curve(name, train, valid if seconds else valid[:1], 10, samples)


def test_one_run_by_step_and_by_minute():
    scene = curve_scene([curve()], "from a.metrics.jsonl")
    check_inside(scene)
    shown = texts(parsed(scene))
    for text in ("a", "steps", "minutes of training", "from a.metrics.jsonl",
                 "training (means of about 10 steps)", "validation, best 2.2500"):  # fmt: skip
        assert text in shown
    lines = [each for each in of_kind(scene, Line) if each.role == "c0" and len(each.points) == 10]
    assert len(lines) == 2
    for line in lines:
        heights = [y for _, y in line.points]
        assert heights == sorted(heights)  # the loss falls: downwards in a picture
        gaps = [b - a for a, b in itertools.pairwise(heights)]
        assert gaps == pytest.approx([gaps[0]] * 9)


def test_several_runs_have_a_colour_each():
    scene = curve_scene([curve("a"), curve("b")])
    check_inside(scene)
    roles = {line.role for line in of_kind(scene, Line)} - {"grid", "muted"}
    assert roles == {"c0", "c1"}


def test_samples_stand_below_the_curve_as_text():
    scene = curve_scene([curve(samples=[Sample(20, "<b>\nx\x1b"), Sample(100, "word " * 80)])])
    check_inside(scene)
    shown = [shape.text for shape in of_kind(scene, Text) if shape.mono]
    assert shown[0] == "<b>⏎x\\u001b"
    assert len(shown) == 3  # two lines at most of each
    parsed(scene)


def test_a_run_without_times_and_one_of_one_point():
    shown = texts(parsed(curve_scene([curve(seconds=False)])))
    assert "steps" in shown
    check_inside(curve_scene([Curve("a", [Point(1, math.nan, 2.0)])]))
    check_inside(curve_scene([Curve("a", (), [Point(0, 0.0, 2.0)])]))
