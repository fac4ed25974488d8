"""The weights that training starts from."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.config import ModelConfig
from fastlm.engine.generation import context_logits
from fastlm.model.initialization import log_unigram, scaled_params
from fastlm.model.layout import Layout

MODEL = ModelConfig(vocab=300, context=4, embed=50, hidden=(128, 64))


@pytest.mark.parametrize(
    ("name", "spread"),
    [
        ("embeddings", 0.1),
        ("hidden.1.weight", np.sqrt(2 / 200)),
        ("hidden.2.weight", np.sqrt(2 / 128)),
        ("output.weight", np.sqrt(1 / 64)),
    ],
)
def test_spread_of_each_matrix(name, spread):
    values = Layout(MODEL).views(scaled_params(MODEL, 0))[name]
    # The standard error of a standard deviation from n numbers is spread / sqrt(2n).
    assert values.std() == pytest.approx(spread, abs=5 * spread / np.sqrt(2 * values.size))
    assert abs(values.mean()) < 5 * spread / np.sqrt(values.size)


def test_biases_start_at_zero_without_counts():
    views = Layout(MODEL).views(scaled_params(MODEL, 0))
    assert all(not views[f"{name}.bias"].any() for name in ("hidden.1", "hidden.2", "output"))


def test_the_output_bias_starts_at_the_log_unigram():
    counts = np.arange(300)
    views = Layout(MODEL).views(scaled_params(MODEL, 0, counts))
    np.testing.assert_array_equal(views["output.bias"], log_unigram(counts))
    assert not views["hidden.1.bias"].any()


def test_a_model_without_bias_takes_counts_too():
    model = ModelConfig(vocab=30, hidden=(), bias=False)
    np.testing.assert_array_equal(scaled_params(model, 0, np.ones(30)), scaled_params(model, 0))


def test_the_seed_decides():
    first = scaled_params(MODEL, 7)
    assert first.dtype == np.float32
    assert first.shape == (Layout(MODEL).size,)
    assert scaled_params(MODEL, 7).tobytes() == first.tobytes()
    assert scaled_params(MODEL, 8).tobytes() != first.tobytes()


def test_an_adaptive_softmax_starts_at_the_unigram_too():
    counts = np.array([900, 50, 30, 10, 5, 3, 1, 0])
    model = ModelConfig(vocab=8, context=2, embed=4, hidden=(6,), cutoffs=(2, 5), far=(4,))
    params = scaled_params(model, 0, counts)
    views = Layout(model).views(params)
    assert np.all(views["far.1.weight"] == 0.5)
    views["output.weight"][:] = 0
    for number in (1, 2):
        views[f"tail.{number}.weight"][:] = 0
    logits = context_logits(params, model, np.zeros((1, 6), dtype=np.int32))
    np.testing.assert_allclose(logits[0], log_unigram(counts), rtol=1e-5)


def test_log_unigram():
    logs = log_unigram(np.array([3, 0, 1]))
    assert logs.dtype == np.float32
    np.testing.assert_allclose(np.exp(logs), np.array([3.5, 0.5, 1.5]) / 5.5, rtol=1e-6)


def test_log_unigram_of_nothing_seen_is_even():
    np.testing.assert_allclose(np.exp(log_unigram(np.zeros(4))), 0.25)
