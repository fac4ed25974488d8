"""Is the next token drawn from the distribution that was asked for?"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from fastlm.config import ModelConfig
from fastlm.errors import ConfigError, TrainingError
from fastlm.layout import Layout
from fastlm.sampling import Predictor, Sampling, generate_ids, random_generator
from tests import naive

LOGITS = np.array([0.5, 2.0, -1.0, 2.0, 0.0, -np.inf, 1.0], dtype=np.float32)


def softmax(z):
    weights = np.exp(np.asarray(z, dtype=np.float64) - np.max(z))
    return weights / weights.sum()


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
    drawn = [sampling.choose(LOGITS, rng) for _ in range(4000)]
    assert_drawn_from(np.bincount(drawn, minlength=7), sampling.probabilities(LOGITS))


def test_frequencies_of_another_distribution_are_told_apart():
    rng = np.random.default_rng(3)
    drawn = [Sampling(temperature=1.3).choose(LOGITS, rng) for _ in range(4000)]
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
def test_greedy_is_the_argmax_and_draws_nothing(sampling):
    rng = np.random.default_rng(0)
    assert sampling.choose(LOGITS, rng) == 1
    assert rng.random() == np.random.default_rng(0).random()
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
        # As far as e to their power differs at all.
        assert logits[found > 0].min() >= logits[found == 0].max() - 1e-12
    chosen = sampling.choose(logits, np.random.default_rng(seed))
    assert found[chosen] > 0


@pytest.mark.parametrize(("draw", "chosen"), [(0.0, 1), (0.4999, 1), (0.5, 3), (1 - 2**-53, 3)])
def test_no_draw_chooses_what_is_excluded(draw, chosen):
    class Fixed:
        def random(self):
            return draw

    logits = np.array([-np.inf, 0.0, -np.inf, 0.0, -np.inf])
    assert Sampling().choose(logits, Fixed()) == chosen


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"temperature": -0.5}, r"temperature is -0.5; give a number of at least 0 \(0 means gree"),
        ({"temperature": math.nan}, "temperature is nan; give"),
        ({"temperature": math.inf}, "temperature is inf; give"),
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


# ---------------------------------------------------------------------------- random numbers


def test_random_numbers_are_a_function_of_seed_and_number():
    first = random_generator(7, 2).random(5).tolist()
    assert random_generator(7, 2).random(5).tolist() == first
    assert random_generator(7, 3).random(5).tolist() != first
    assert random_generator(8, 2).random(5).tolist() != first


def test_without_a_seed_random_numbers_are_new():
    assert random_generator(None).random() != random_generator(None).random()


@pytest.mark.parametrize("seed", [-1, 1.5, "1", True])
def test_a_bad_seed_is_refused(seed):
    with pytest.raises(ConfigError, match=f"seed is {seed!r}; give a whole number of at least 0"):
        random_generator(seed)


# ---------------------------------------------------------------------------- the predictor


def model(boundary, **changes):
    config = ModelConfig(
        **{"vocab": 6, "context": 3, "embed": 4, "hidden": (5,), "boundary": boundary, **changes}
    )
    rng = np.random.default_rng(1)
    return config, (0.5 * rng.standard_normal(Layout(config).size)).astype(np.float32)


def oracle_logits(config, params, ids):
    shape = naive.NaiveConfig(
        vocab=config.vocab, context=config.context, embed=config.embed, hidden=config.hidden,
        combine=config.combine, bias=config.bias,
    )  # fmt: skip
    tensors = naive.split(params.astype(np.float64), shape)
    boundary = -1 if config.boundary is None else config.boundary
    context = naive.context_before(ids, len(ids), config.context, boundary)
    return naive.forward(tensors, shape, [context]).logits[0]


@pytest.mark.parametrize("boundary", [0, 4, None])
@pytest.mark.parametrize("combine", ["concat", "mean"])
@pytest.mark.parametrize("hidden", [(), (5,), (5, 3)])
def test_logits_are_those_of_the_oracle_for_every_length_of_text(boundary, combine, hidden):
    config, params = model(boundary, combine=combine, hidden=hidden)
    text = [1, 2, 5, 4, 3, 4, 1, 0, 2]
    for length in range(len(text) + 1):
        expected = oracle_logits(config, params, text[:length])
        predictor = Predictor(params, config)
        predictor.start(text[:length])
        np.testing.assert_allclose(predictor.logits(), expected, rtol=1e-4, atol=1e-5)
        predictor.start()
        for id in text[:length]:
            predictor.push(id)
        np.testing.assert_allclose(predictor.logits(), expected, rtol=1e-4, atol=1e-5)


def test_greedy_generation_is_the_oracles_argmax():
    config, params = model(0)
    predictor = Predictor(params, config)
    predictor.start([2, 3])
    found = list(generate_ids(predictor, Sampling(greedy=True), random_generator(None), length=12))
    ids = [2, 3]
    for _ in range(12):
        ids.append(int(np.argmax(oracle_logits(config, params, ids))))
    assert found == ids[2:]


def test_excluded_ids_never_come_and_the_others_keep_their_proportions():
    config, params = model(0)
    expected = np.exp(oracle_logits(config, params, []))
    expected[[0, 3]] = 0
    expected /= expected.sum()
    predictor = Predictor(params, config)
    rng = random_generator(5)
    counts = np.zeros(6)
    for _ in range(2000):
        predictor.start()
        (id,) = generate_ids(predictor, Sampling(), rng, length=1, excluded=[0, 3])
        counts[id] += 1
    assert_drawn_from(counts, expected)


def test_the_end_ends_and_is_not_yielded():
    config, params = model(0)
    found = []
    for seed in range(50):
        predictor = Predictor(params, config)
        found.append(
            list(generate_ids(predictor, Sampling(), random_generator(seed), length=9, end=0))
        )
    assert all(0 not in ids for ids in found)
    assert {len(ids) for ids in found} >= {0, 1, 2, 9}


def test_logits_that_are_not_finite_are_refused():
    config, params = model(0)
    params[:] = 3e38
    with (
        np.errstate(all="ignore"),
        pytest.raises(TrainingError, match="logits are not finite"),
    ):
        Predictor(params, config).logits()
