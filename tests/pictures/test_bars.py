"""Bars are as long as their values say, whatever their labels hold."""

from __future__ import annotations

import pytest

from fastlm.pictures.bars import BarGroup, bar_scene
from fastlm.pictures.scene import Rect
from tests.pictures.scenes import check_inside, of_kind, parsed, texts

GROUP = BarGroup("t 1", ["a", "\n", "wide" * 30], [0.5, 0.25, 0.0], ["50 %", "25 %", "0 %"])


def test_lengths_are_in_proportion():
    scene = bar_scene("title", [GROUP], "caption")
    check_inside(scene)
    first, second, third = (rect.width for rect in of_kind(scene, Rect))
    assert first == pytest.approx(2 * second)
    assert third == 0
    shown = texts(parsed(scene))
    assert {"title", "t 1", "a", "⏎", "50 %", "caption"} <= set(shown)


@pytest.mark.parametrize("count", [1, 3, 5])
def test_groups_stand_beside_each_other_on_one_scale(count):
    scene = bar_scene("t", [GROUP] * count)
    check_inside(scene)
    widths = [rect.width for rect in of_kind(scene, Rect)]
    assert widths[::3] == pytest.approx([widths[0]] * count)
    assert len({rect.x for rect in of_kind(scene, Rect)}) == count


def test_negative_values_have_no_bar():
    scene = bar_scene("t", [BarGroup("", ["a", "b"], [1.0, -0.5], ["1", "-0.5"])])
    assert [rect.width > 0 for rect in of_kind(scene, Rect)] == [True, False]
