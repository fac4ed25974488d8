"""The border to the queries of a back-off model."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from fastlm.counts.tables import count_tables
from fastlm.engine.count_queries import (
    bucket_count,
    context_bucket,
    context_distribution,
    context_state,
    count_losses,
)
from fastlm.engine.tokens import token_array
from fastlm_kernels.runtime.jit import JIT_DISABLED
from tests.counts.models import log_prob, tiny_model
from tests.counts.naive import random_model
from tests.kernels.counts.test_queries import some_ids


def test_the_losses_of_a_published_model():
    model = tiny_model()
    ids = np.array([2, 3, 2, 4, 0, 4, 4, 2, 3, 0])
    losses, _ = count_losses(count_tables(model), token_array(ids, 5), 0, ids.size)
    contexts = [[0], [0, 2], [2, 3], [3, 2], [2, 4], [0], [0, 4], [4, 4], [4, 2], [2, 3]]
    expected = [-log_prob(model, *pair) for pair in zip(contexts, ids.tolist(), strict=True)]
    np.testing.assert_allclose(losses, expected, rtol=0, atol=1e-6)


def test_parts_and_threads_give_the_same_bits():
    tables = count_tables(random_model(5, 20, 4).model())
    size = 3_000 if JIT_DISABLED else 70_000
    tokens = token_array(some_ids(6, 20, size), 20)
    whole, classes = count_losses(tables, tokens, 0, size)
    for threads, cuts in ((2, (0, size)), (1, (0, 1, 7, 500, 2_001, size - 1, size))):
        parts = [count_losses(tables, tokens, low, high, threads) for low, high in pairwise(cuts)]
        assert np.concatenate([part[0] for part in parts]).tobytes() == whole.tobytes()
        assert np.concatenate([part[1] for part in parts]).tobytes() == classes.tobytes()


@pytest.mark.parametrize("boundary", [0, None])
def test_the_class_of_a_context_is_known_before_its_target(boundary):
    tables = count_tables(random_model(7, 8, 4, boundary=boundary).model())
    ids = some_ids(8, 8, 200)
    classes = count_losses(tables, token_array(ids, 8), 0, 200)[1]
    assert len(set(classes.tolist())) > 3
    assert classes.max() < bucket_count(4)
    for at in range(200):
        state = context_state(tables, ids[:at].astype(np.int32))
        assert context_bucket(tables, state) == classes[at]


@pytest.mark.parametrize("vocab", [3, 100, 30_000])
def test_distributions_of_any_context_sum_to_one(vocab):
    tables = count_tables(random_model(9, vocab, 5, kept=2, tokens=2000).model())
    ids = some_ids(10, vocab, 300)
    for at in range(0, 300, 3 if vocab < 1000 else 30):
        p = context_distribution(tables, context_state(tables, ids[:at].astype(np.int32)))
        assert math.isclose(p.sum(), 1, abs_tol=1e-6)
        assert (p > 0).all()
