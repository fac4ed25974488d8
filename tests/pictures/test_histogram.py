"""Bins hold every value once, and the threshold splits as a filter does."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlm.errors import ConfigError
from fastlm.pictures.histogram import histogram_of, histogram_scene
from fastlm.pictures.scene import Line, Rect
from tests.pictures.scenes import check_inside, of_kind, parsed, texts


@given(
    values=st.lists(st.floats(0.01, 1e9) | st.none() | st.just(math.inf), min_size=1),
    threshold=st.floats(0.01, 1e9),
)
def test_every_value_is_counted_once(values, threshold):
    sound = [v for v in values if v is not None and math.isfinite(v)]
    if not sound:
        with pytest.raises(ConfigError, match="has a perplexity"):
            histogram_of("perplexity", values)
        return
    found = histogram_of("perplexity", values, threshold)
    assert found.total == len(sound)
    assert found.missing == len(values) - len(sound)
    assert found.below == sum(v <= threshold for v in sound)
    assert list(found.edges) == sorted(found.edges)
    check_inside(histogram_scene(found, "t", "c"))


def test_bars_above_the_threshold_have_another_colour():
    values = [float(v) for v in range(1, 101)]
    found = histogram_of("perplexity", values, 25.0, bins=10)
    assert found.log
    scene = histogram_scene(found, "perplexity of s.jsonl")
    bars = of_kind(scene, Rect)
    assert [bar.role for bar in bars] == sorted(bar.role for bar in bars)
    assert {bar.role for bar in bars} == {"c0", "c1"}
    assert [line for line in of_kind(scene, Line) if line.dashed]
    assert "25 of 100 (25.0%) are at most 25; 75 are above" in texts(parsed(scene))


def test_a_linear_axis_and_a_threshold_beyond_it():
    found = histogram_of("bits_per_char", [1.0, 2.0, 3.0], 9.0)
    assert not found.log
    assert found.split.startswith("3 of 3 (100.0%)")
    scene = histogram_scene(found, "t")
    assert not [line for line in of_kind(scene, Line) if line.dashed]
    assert histogram_of("x", [2.0, 2.0]).total == 2
