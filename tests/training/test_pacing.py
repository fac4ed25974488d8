"""Steps per compiled call, and throughput."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlm.training.pacing import CallSize, Throughput


@pytest.mark.parametrize("seconds_per_step", [1e-6, 1e-3, 0.05, 0.19])
def test_calls_come_to_take_a_fifth_of_a_second(seconds_per_step):
    size = CallSize()
    assert (size.steps, size.first) == (1, True)
    for _ in range(12):
        size.adapt(size.steps, size.steps * seconds_per_step)
    assert not size.first
    assert size.steps == pytest.approx(0.2 / seconds_per_step, abs=1)


@given(st.integers(1, 10**6), st.floats(0, 100))
def test_a_call_is_at_least_a_step_and_at_most_four_times_the_last(steps, seconds):
    size = CallSize()
    size.adapt(steps, seconds)
    assert 1 <= size.steps <= 4 * steps


def test_throughput_is_that_of_the_last_three_seconds():
    throughput = Throughput()
    assert throughput.rate == 0
    throughput.add(100, 2.0)
    assert throughput.rate == 50
    throughput.add(100, 0.5)
    assert throughput.rate == 80
    throughput.add(300, 2.5)  # the first call is no longer counted
    assert throughput.rate == pytest.approx(400 / 3)
    throughput.add(10, 60.0)  # a slow call counts alone
    assert throughput.rate == pytest.approx(1 / 6)
