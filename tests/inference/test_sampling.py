"""The next token is drawn from the distribution that was asked for."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from fastlm.errors import ConfigError
from fastlm.inference.sampling import Sampling
from tests.naive import drawn_token

LOGITS = np.array([0.5, 2.0, -1.0, 2.0, 0.0, -np.inf, 1.0], dtype=np.float32)


def softmax(z):
    weights = np.exp(np.asarray(z, dtype=np.float64) - np.max(z))
    return weights / weights.sum()


def naive_choice(sampling, logits, uniform):
    return drawn_token(sampling.probabilities(logits), uniform)


def assert_drawn_from(counts, probabilities):
    """Chi-square test of counts against probabilities; impossible outcomes must not occur."""
    possible = probabilities > 0
    assert counts[~possible].sum() == 0
    expected = probabilities[possible] * counts.sum()
    assert expected.min() > 5
    assert stats.chisquare(counts[possible], expected).pvalue > 0.001


# ---------------------------------------------------------------------------- the distribution


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
def test_probabilities_are_the_softmax_of_logits_over_temperature(temperature):
    found = Sampling(temperature=temperature).probabilities(LOGITS)
    expected = softmax(LOGITS.astype(np.float64) / temperature)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(),
        Sampling(temperature=0.7),
        Sampling(top_k=3),
        Sampling(top_p=0.8),
        Sampling(temperature=2.0, top_k=5, top_p=0.9),
    ],
)
def test_choices_have_the_frequencies_of_the_probabilities(sampling):
    rng = np.random.default_rng(3)
    drawn = [naive_choice(sampling, LOGITS, rng.random()) for _ in range(4000)]
    assert_drawn_from(np.bincount(drawn, minlength=7), sampling.probabilities(LOGITS))


def test_frequencies_of_another_distribution_are_told_apart():
    rng = np.random.default_rng(3)
    drawn = [naive_choice(Sampling(temperature=1.3), LOGITS, rng.random()) for _ in range(4000)]
    with pytest.raises(AssertionError):
        assert_drawn_from(np.bincount(drawn, minlength=7), Sampling().probabilities(LOGITS))


@pytest.mark.parametrize(
    ("k", "kept"),
    [
        (1, {1}),  # of two equal ones the lower id
        (2, {1, 3}),
        (3, {1, 3, 6}),
        (5, {0, 1, 3, 4, 6}),
        (7, {0, 1, 2, 3, 4, 6}),
        (100, {0, 1, 2, 3, 4, 6}),
    ],
)
def test_top_k_keeps_the_most_probable_and_renormalises(k, kept):
    found = Sampling(top_k=k).probabilities(LOGITS)
    assert set(np.flatnonzero(found)) == kept
    ids = sorted(kept)
    np.testing.assert_allclose(found[ids], softmax(LOGITS[ids]), rtol=1e-12)


def test_top_k_keeps_exactly_k_of_equals():
    found = Sampling(top_k=3).probabilities(np.zeros(6, dtype=np.float32))
    assert found.tolist() == [1 / 3] * 3 + [0.0] * 3


@pytest.mark.parametrize(
    ("p", "kept"),
    [(0.1, [2]), (0.49, [2]), (0.51, [2, 0]), (0.74, [2, 0]), (0.76, [2, 0, 3]), (1, [0, 1, 2, 3])],
)
def test_top_p_keeps_the_fewest_that_reach_p(p, kept):
    probabilities = np.array([0.25, 0.0625, 0.5, 0.1875])
    found = Sampling(top_p=p).probabilities(np.log(probabilities))
    expected = np.zeros(4)
    expected[kept] = probabilities[kept] / probabilities[kept].sum()
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_temperature_comes_before_top_p_and_top_k_before_it_too():
    probabilities = np.array([0.4, 0.3, 0.2, 0.1])
    logits = np.log(probabilities)
    # Flattened to (0.325, 0.281, 0.230, 0.163), the first two have 0.606, not 0.7.
    flat = Sampling(temperature=2.0, top_p=0.65).probabilities(logits)
    assert np.count_nonzero(flat) == 3
    assert np.count_nonzero(Sampling(top_p=0.65).probabilities(logits)) == 2
    # Of the first two, the first has 4/7 = 0.571 when the others are gone.
    both = Sampling(top_k=2, top_p=0.55).probabilities(logits)
    assert both.tolist() == [1.0, 0.0, 0.0, 0.0]
    assert np.count_nonzero(Sampling(top_p=0.55).probabilities(logits)) == 2


@pytest.mark.parametrize(
    "sampling",
    [Sampling(greedy=True), Sampling(temperature=0), Sampling(greedy=True, top_k=2, top_p=0.5)],
)
def test_greedy_is_the_argmax_whatever_the_number(sampling):
    for uniform in (0.0, 0.5, 1 - 2**-53):
        assert naive_choice(sampling, LOGITS, uniform) == 1
    assert sampling.probabilities(LOGITS).tolist() == [0, 1, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("temperature", [5e-324, 1e-300, 1e-6])
def test_a_temperature_near_zero_is_greedy(temperature):
    logits = np.array([0.0, 3.0, 2.999, -np.inf], dtype=np.float32)
    found = Sampling(temperature=temperature).probabilities(logits)
    assert found.tolist() == [0, 1, 0, 0]


def test_a_huge_temperature_is_uniform_over_what_is_not_excluded():
    found = Sampling(temperature=1e300).probabilities(LOGITS)
    np.testing.assert_allclose(found, [1 / 6] * 5 + [0] + [1 / 6])


@settings(deadline=None)
@given(
    logits=arrays(np.float32, st.integers(1, 12), elements=st.floats(-40, 40, width=32)),
    temperature=st.floats(0.01, 10),
    top_k=st.none() | st.integers(1, 15),
    top_p=st.none() | st.floats(0.01, 1),
    seed=st.integers(0, 100),
)
def test_every_choice_is_possible(logits, temperature, top_k, top_p, seed):
    sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p)
    found = sampling.probabilities(logits)
    assert math.isclose(found.sum(), 1)
    kept = np.count_nonzero(found)
    assert 1 <= kept <= min(top_k or logits.size, logits.size)
    if kept < logits.size:
        assert logits[found > 0].min() >= logits[found == 0].max()
    uniform = np.random.default_rng(seed).random()
    assert found[naive_choice(sampling, logits, uniform)] > 0


@pytest.mark.parametrize(("draw", "chosen"), [(0.0, 1), (0.4999, 1), (0.5, 3), (1 - 2**-53, 3)])
def test_no_draw_chooses_what_is_excluded(draw, chosen):
    logits = np.array([-np.inf, 0.0, -np.inf, 0.0, -np.inf], dtype=np.float32)
    assert naive_choice(Sampling(), logits, draw) == chosen


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"temperature": -0.5}, r"temperature is -0.5; give a number of at least 0 \(0 means gree"),
        ({"temperature": math.nan}, "temperature is nan; give"),
        ({"temperature": math.inf}, "temperature is inf; give"),
        ({"temperature": 10**400}, "temperature is 10+… .401 characters.; give"),
        ({"temperature": "hot"}, "temperature is 'hot'; give"),
        ({"top_k": 0}, "top_k is 0; give a whole number of at least 1, or leave it out"),
        ({"top_k": -3}, "top_k is -3; give"),
        ({"top_k": 1.5}, "top_k is 1.5; give"),
        ({"top_k": True}, "top_k is True; give"),
        ({"top_p": 0}, "top_p is 0; give a number above 0 and at most 1, or leave it out"),
        ({"top_p": 1.01}, "top_p is 1.01; give"),
        ({"top_p": math.nan}, "top_p is nan; give"),
    ],
)
def test_settings_out_of_range_are_refused(setting, message):
    with pytest.raises(ConfigError, match=message) as caught:
        Sampling(**setting)
    assert "\n" not in str(caught.value)
