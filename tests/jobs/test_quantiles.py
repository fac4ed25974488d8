"""Quantiles agree with those of the sorted numbers, to a thousandth."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlm.jobs.quantiles import Histogram

FRACTIONS = [0, 0.1, 0.25, 0.5, 0.75, 0.9, 1]


def of(values) -> Histogram:
    histogram = Histogram()
    histogram.add(values)
    return histogram


@given(st.lists(st.floats(1e-3, 1e9), min_size=1, max_size=50), st.floats(0, 1))
def test_the_share_below_a_quantile_is_the_fraction(values, fraction):
    (found,) = of(values).quantiles([fraction])
    inside = 1.001
    assert np.mean(np.array(values) <= found * inside) >= fraction - 1e-9
    assert np.mean(np.array(values) < found / inside) <= fraction + 1e-9


def test_many_numbers():
    values = np.exp(np.random.default_rng(0).normal(5, 1, 100_000))
    found = of(values).quantiles(FRACTIONS)
    np.testing.assert_allclose(found, np.quantile(values, FRACTIONS), rtol=2e-3)
    for fraction, value in zip(FRACTIONS, found, strict=True):
        assert np.mean(values <= value) == pytest.approx(fraction, abs=5e-4)


@given(st.lists(st.floats(0, 1e300), max_size=30), st.integers(0, 30))
def test_neither_order_nor_cutting_matters(values, cut):
    whole = of(values)
    parts = of(values[cut:][::-1])
    parts.add(values[:cut])
    assert parts.to_dict() == whole.to_dict()
    again = Histogram.from_dict(json.loads(json.dumps(whole.to_dict())))
    assert (again.to_dict(), again.count) == (whole.to_dict(), whole.count)


def test_odd_numbers():
    assert all(map(math.isnan, Histogram().quantiles(FRACTIONS)))
    histogram = of([math.nan, 0.0, math.inf, 1.0])
    assert histogram.count == 3
    low, high = histogram.quantiles([0.01, 1])
    assert (low, high) == (0, math.inf)
    for value in (1.0, 1e-300, 1.7e308, 12.5):
        assert of([value]).quantiles([1])[0] >= value
