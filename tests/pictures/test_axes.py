"""Ticks are round and within their range; numbers become pixels and back."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlm.pictures.axes import Panel, log_ticks, short_number, ticks
from fastlm.pictures.scene import Scene
from tests.pictures.scenes import parsed, texts


@given(low=st.floats(-1e6, 1e6), size=st.floats(1e-3, 1e6), most=st.integers(3, 9))
def test_ticks_are_few_even_and_inside(low, size, most):
    found = ticks(low, low + size, most)
    assert 1 <= len(found) <= most
    assert all(low - 1e-6 * size <= value <= low + size * (1 + 1e-6) for value in found)
    steps = [b - a for a, b in itertools.pairwise(found)]
    assert all(step == pytest.approx(steps[0]) for step in steps)


def test_ticks_are_round():
    assert ticks(0, 1, 5) == [0, 0.25, 0.5, 0.75, 1.0]
    assert ticks(1.83, 2.31, 6) == pytest.approx([1.9, 2.0, 2.1, 2.2, 2.3])
    assert ticks(3, 3) == [3]


@given(low=st.floats(1e-3, 1e3), factor=st.floats(21, 1e9))
def test_log_ticks(low, factor):
    found = log_ticks(low, low * factor)
    assert 1 <= len(found) <= 8
    assert all(low <= value <= low * factor for value in found)


def test_numbers_are_short():
    shown = [0.5, 12, 2500, 30_000, 1.5e6, 2e9, -0.25, 0]
    assert list(map(short_number, shown)) == [
        "0.5", "12", "2,500", "30k", "1.5M", "2G", "-0.25", "0",
    ]  # fmt: skip


def test_a_panel():
    panel = Panel(100, 50, 200, 80, (0, 10), (1, 3))
    assert (panel.x(0), panel.x(10), panel.x(5)) == (100, 300, 200)
    assert (panel.y(1), panel.y(3), panel.y(2)) == (130, 50, 90)
    log = Panel(0, 0, 100, 10, (1, 100), (0, 1), log_x=True)
    assert log.x(10) == pytest.approx(50)
    scene = Scene("axes", 200)
    panel.draw(scene, "steps", "loss")
    assert {"steps", "loss", "0", "10", "1", "3"} <= set(texts(parsed(scene)))
