"""The queries of a back-off model against dictionaries."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.counts.tables import count_tables
from fastlm.engine.count_queries import context_distribution, context_state, count_losses
from fastlm.engine.tokens import token_array
from tests.counts.naive import random_model

SHAPES = [
    pytest.param({"vocab": 3, "order": 1}, id="unigrams"),
    pytest.param({"vocab": 3, "order": 4, "boundary": None}, id="no boundary"),
    pytest.param({"vocab": 9, "order": 2}, id="bigrams"),
    pytest.param({"vocab": 30, "order": 5, "kept": 2}, id="pruned"),
    pytest.param({"vocab": 70_000, "order": 3}, id="32-bit tokens"),
    pytest.param({"vocab": 12, "order": 12, "tokens": 200, "boundary": 11}, id="longest"),
]


def some_ids(seed, vocab, size):
    return (vocab * np.random.default_rng(seed).random(size) ** 3).astype(np.int64)


@pytest.mark.parametrize("shape", SHAPES)
def test_losses_are_those_of_the_dictionaries(shape):
    naive = random_model(1, **shape)
    ids = some_ids(2, naive.vocab, 700)
    tokens = token_array(ids, naive.vocab)
    losses, buckets = count_losses(count_tables(naive.model()), tokens, 0, ids.size)
    np.testing.assert_allclose(losses, naive.losses(ids.tolist()), rtol=0, atol=2e-6)
    assert buckets.max() < 4 * naive.order


@pytest.mark.parametrize("shape", SHAPES)
def test_a_distribution_holds_the_losses_and_sums_to_one(shape):
    naive = random_model(3, **shape)
    tables = count_tables(naive.model())
    ids = some_ids(4, naive.vocab, 60)
    losses, _ = count_losses(tables, token_array(ids, naive.vocab), 0, ids.size)
    for at in range(ids.size):
        p = context_distribution(tables, context_state(tables, ids[:at].astype(np.int32)))
        assert p.shape == (naive.vocab,)
        assert abs(p.sum() - 1) < 1e-6
        np.testing.assert_allclose(-np.log(p[ids[at]]), losses[at], rtol=0, atol=1e-9)
