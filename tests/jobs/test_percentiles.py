from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlm.jobs.percentiles import RunningPercentile


@given(st.lists(st.sampled_from([1.0, 1.5, 2.0, 30.0, 1e6, 1e300, math.inf]), max_size=30))
def test_percentiles_are_those_of_a_count(values):
    ranks = RunningPercentile()
    for number, value in enumerate(values):
        below = sum(each < value for each in values[:number])
        equal = sum(each == value for each in values[:number])
        # The last bin has all beyond it.
        if number and value < 1e20:
            assert ranks.of(value) == pytest.approx(100 * (below + equal / 2) / number)
        ranks.add(value)
    assert ranks.count == len(values)


def test_nan_is_no_figure():
    ranks = RunningPercentile()
    assert math.isnan(ranks.of(3.0))
    ranks.add(math.nan)
    assert ranks.count == 0
    ranks.add(0.5)
    assert math.isnan(ranks.of(math.nan))
    assert (ranks.of(0.1), ranks.of(2.0)) == (50, 100)
