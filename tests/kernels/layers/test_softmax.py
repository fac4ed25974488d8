"""Softmax and cross-entropy of a row against the float64 oracle."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm_kernels.layers.softmax import (
    STATE_BLOCK_MAX,
    gradient_block,
    log_sum_exp,
    loss_from_state,
    row_max,
    softmax_block,
    softmax_cross_entropy,
    update_log_sum,
)
from fastlm_kernels.runtime.jit import kernel
from tests import naive

finite_rows = st.lists(
    st.floats(-1e4, 1e4, width=32, allow_subnormal=False), min_size=1, max_size=70
)


@given(finite_rows)
@settings(deadline=None)
def test_row_max(values):
    assert row_max(np.array(values, dtype=np.float32)) == max(values)


@pytest.mark.parametrize(
    "values", [[-3.0, -1.0, -2.0], [-np.inf, -5.0], [np.inf, 1.0], [-3e38, -1e-38], [-1.0]]
)
def test_row_max_of_special_rows(values):
    assert row_max(np.array(values, dtype=np.float32)) == np.max(np.float32(values))


def oracle(z, target):
    """(loss, d loss / d logits) in float64"""
    wide = z.astype(np.float64)[None]
    gradient = np.exp(naive.log_softmax(wide))[0]
    gradient[target] -= 1
    return naive.cross_entropy(wide, [target])[0], gradient


@given(finite_rows, st.data())
@settings(deadline=None)
def test_loss_and_gradient(values, data):
    z = np.array(values, dtype=np.float32)
    target = data.draw(st.integers(0, z.size - 1))
    expected, gradient = oracle(z, target)

    # Losses are float64: float32 would round each to the distance of neighbours at the logits'
    # size, 1e-3 at 1e4.
    assert log_sum_exp(z) - float(z[target]) == pytest.approx(expected, rel=3e-7, abs=5e-6)
    loss = softmax_cross_entropy(z, target)
    assert loss == pytest.approx(expected, rel=3e-7, abs=5e-6)
    np.testing.assert_allclose(z, gradient, rtol=0, atol=2e-6)


@pytest.mark.parametrize("size", [2, 27, 1000])
def test_an_even_guess_costs_log_v(size):
    z = np.full(size, -2.5, dtype=np.float32)
    assert log_sum_exp(z) + 2.5 == pytest.approx(math.log(size), rel=1e-6)
    assert softmax_cross_entropy(z, size - 1) == pytest.approx(math.log(size), rel=1e-6)
    assert z.sum() == pytest.approx(0.0, abs=1e-6)


def test_scores_of_ten_thousand_stay_finite():
    z = np.array([1e4, -1e4, 0.0], dtype=np.float32)
    loss = softmax_cross_entropy(z, 1)
    assert loss == pytest.approx(2e4)
    assert z[1] + 1 >= 0
    np.testing.assert_allclose(z, [1.0, -1.0, 0.0], atol=1e-6)


@pytest.mark.parametrize("bad", [np.nan, -np.nan, np.inf])
def test_a_bad_score_shows_in_the_loss(bad):
    z = np.array([0.5, bad, -1.0], dtype=np.float32)
    with np.errstate(invalid="ignore"):  # NumPy notices with JIT off
        assert math.isnan(log_sum_exp(z))
        assert math.isnan(softmax_cross_entropy(z, 0))


@kernel
def in_blocks(z, marks, size, target):
    """``softmax_cross_entropy``, of ``size`` logits at a time."""
    for start in range(0, z.size, size):
        softmax_block(z[start : start + size], marks, start // size, target - start)
    for start in range(0, z.size, size):
        gradient_block(z[start : start + size], marks, start // size, target - start)
    return loss_from_state(marks)


@given(finite_rows, st.integers(1, 70), st.data())
@settings(deadline=None)
def test_loss_and_gradient_in_blocks(values, size, data):
    z = np.array(values, dtype=np.float32)
    target = data.draw(st.integers(0, z.size - 1))
    expected, gradient = oracle(z, target)
    marks = np.full(STATE_BLOCK_MAX + -(-z.size // size), np.nan)
    loss = in_blocks(z, marks, size, target)
    assert loss == pytest.approx(expected, rel=3e-7, abs=5e-6)
    np.testing.assert_allclose(z, gradient, rtol=0, atol=2e-6)


@pytest.mark.parametrize("place", [0, 1, 5])
@pytest.mark.parametrize("bad", [np.nan, -np.nan, np.inf])
def test_a_bad_score_shows_in_the_loss_of_blocks(bad, place):
    z = np.arange(6, dtype=np.float32)
    z[place] = bad
    with np.errstate(invalid="ignore"):
        assert math.isnan(in_blocks(z, np.empty(STATE_BLOCK_MAX + 3), 2, 3))


def sum_in_parts(z, size):
    """The log of the sum of e^z, from parts of so many elements."""
    tops, totals = np.full(1, -np.inf, dtype=np.float32), np.zeros(1)
    for start in range(0, len(z), size):
        update_log_sum(tops, totals, 0, z[start : start + size])
    return math.log(totals[0]) + float(tops[0])


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("scale", [0.1, 10, 1000])
def test_a_sum_in_parts_is_the_sum(scale, order):
    z = np.sort(np.random.default_rng(3).normal(0, scale, 100))[::order].astype(np.float32)
    wide = z.astype(np.float64)
    expected = wide.max() + math.log(np.exp(wide - wide.max()).sum())
    for size in (1, 7, 50, 100):
        assert sum_in_parts(z, size) == pytest.approx(expected, rel=3e-7)


@pytest.mark.parametrize("place", [0, 1, 5])
@pytest.mark.parametrize("bad", [np.nan, -np.nan, np.inf])
def test_a_bad_score_shows_in_a_sum_in_parts(bad, place):
    z = np.arange(6, dtype=np.float32)
    z[place] = bad
    with np.errstate(invalid="ignore"):
        assert math.isnan(sum_in_parts(z, 2))
