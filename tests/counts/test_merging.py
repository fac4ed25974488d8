"""Two back-off models as one, against the interpolation of each probability."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from fastlm.counts.merging import add_counts, merge
from fastlm.counts.tables import count_tables
from fastlm.engine.count_queries import context_distribution, context_state
from fastlm.errors import ConfigError
from tests.counts.models import log_prob, ngrams_of, tiny_model
from tests.counts.naive import random_model


@pytest.mark.parametrize("orders", [(3, 3), (1, 4), (4, 2)])
@pytest.mark.parametrize("boundary", [0, None])
def test_known_ngrams_are_interpolated_and_all_sums_to_one(orders, boundary):
    first, second = (
        random_model(seed, 6, order, boundary=boundary, kept=1 + seed % 2, tokens=90).model()
        for seed, order in enumerate(orders)
    )
    both = merge(first, second, 0.3)
    both.check()
    assert set(ngrams_of(both)) == set(ngrams_of(first)) | set(ngrams_of(second))
    for ngram in ngrams_of(both):
        expected = 0.7 * math.exp(log_prob(first, ngram[:-1], ngram[-1]))
        expected += 0.3 * math.exp(log_prob(second, ngram[:-1], ngram[-1]))
        assert math.exp(log_prob(both, ngram[:-1], ngram[-1])) == pytest.approx(expected, rel=1e-5)
    tables = count_tables(both)
    rng = np.random.default_rng(0)
    for _ in range(100):
        state = context_state(tables, rng.integers(0, 6, 5).astype(np.int32))
        assert abs(context_distribution(tables, state).sum() - 1) < 1e-6


def test_a_model_with_itself_is_itself():
    model = tiny_model()
    both = ngrams_of(merge(model, model, 0.5))
    for ngram, (p, backoff) in ngrams_of(model).items():
        assert both[ngram][0] == pytest.approx(p, abs=1e-5)
        if len(ngram) < 3:
            assert both[ngram][1] == pytest.approx(backoff, abs=2e-3)


def test_models_over_other_tokens_are_refused():
    with pytest.raises(ConfigError, match="other tokens"):
        merge(tiny_model(), random_model(0, 6, 2).model(), 0.5)


def test_counts_of_more_text_are_added_whatever_a_file_says_of_the_first():
    ids = np.array([2, 3, 4, 0] * 20)
    for facts in ({}, {"tokens": "x", "size": [], "prune": 7}, {"tokens": 80, "prune": [0, 0, 0]}):
        model = dataclasses.replace(tiny_model(), metadata=facts)
        both = add_counts(model, ids)
        both.check()
        assert both.metadata["tokens"] >= 80
    small = dataclasses.replace(tiny_model(), metadata={"size": 300})
    assert add_counts(small, ids).nbytes <= 300
