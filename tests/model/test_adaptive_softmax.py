"""The cut-offs of an adaptive softmax: what they cost, and which are chosen."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.config import ModelConfig
from fastlm.model.adaptive_softmax import choose_cutoffs, output_cost
from fastlm.model.layout import Layout


def zipf(vocab):
    return (1e6 / np.arange(1, vocab + 1)).astype(np.int64)


def test_cost_of_the_full_softmax():
    weights = 64 * 1000
    expected = (6 + 100 / 32) * weights
    assert output_cost(zipf(1000), (), 64, 32, 2.0) == pytest.approx(expected)


def test_cost_counts_every_weight_by_how_often_it_is_used():
    counts = np.array([60, 20, 10, 5, 5])
    model = ModelConfig(vocab=5, context=1, embed=8, hidden=(8,), cutoffs=(2, 4))
    shapes = {name: tensor.size for name, tensor in Layout(model).tensors.items()}
    tails = [shapes[f"tail.{k}.projection"] + shapes[f"tail.{k}.weight"] for k in (1, 2)]
    used = shapes["output.weight"] + 0.15 * tails[0] + 0.05 * tails[1]
    kept = shapes["output.weight"] + sum(tails)
    assert output_cost(counts, (2, 4), 8, 10, 2.0) == pytest.approx(6 * used + 100 / 10 * kept)


@given(st.integers(2, 50_000), st.integers(1, 1024), st.integers(1, 2048))
@settings(deadline=None, max_examples=25)
def test_chosen_cutoffs_make_a_model_and_cost_less(vocab, width, batch):
    counts = zipf(vocab)
    cutoffs = choose_cutoffs(counts, width=width, batch=batch)
    ModelConfig(vocab=vocab, hidden=(width,), cutoffs=cutoffs)
    assert all(low < high for low, high in pairwise((0, *cutoffs, vocab)))
    assert bool(cutoffs) == (vocab >= 64)
    if vocab >= 1000:
        assert cutoffs[0] >= vocab // 16 - 16
        cost = output_cost(counts, cutoffs, width, batch, 2.0)
        assert cost < output_cost(counts, (), width, batch, 2.0)


def test_rare_tokens_are_cut_off_earlier_where_they_are_rarer():
    flat = np.full(20_000, 50)
    assert choose_cutoffs(zipf(20_000), width=128, batch=512)[0] < 2000
    assert output_cost(flat, choose_cutoffs(flat, width=128, batch=512), 128, 512, 2.0) > (
        output_cost(zipf(20_000), choose_cutoffs(zipf(20_000), width=128, batch=512), 128, 512, 2.0)
    )
