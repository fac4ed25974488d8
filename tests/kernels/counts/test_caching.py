"""Adaptive losses against plain Python."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastlm_kernels.counts.caching import TokenWindow, cache_losses


def oracle(losses, ids, size, boundary):
    document, total, found = [], 0.0, []
    for loss, id in zip(losses, ids, strict=True):
        p = math.exp(-loss)
        if document:
            weight = (100 * 0.05 + total) / (100 + len(document) - 1)
            last = document[-size:]
            cached = weight * last.count(id) / len(last)
            p = (1 - weight) * p + cached
            total += cached / p
        found.append(-math.log(p))
        document.append(id)
        if id == boundary:
            document, total = [], 0.0
    return found


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_losses_are_those_of_their_definition_wherever_they_are_cut(size):
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 12, 400).astype(np.int32)
    losses = rng.exponential(3, 400)
    window = TokenWindow(np.zeros(size, dtype=np.int32), np.zeros(12, dtype=np.int64), np.zeros(2))
    found = np.empty(400)
    for low, high in ((0, 1), (1, 150), (150, 400)):
        cache_losses(found[low:high], losses[low:high], ids[low:high], window, 3)
    np.testing.assert_allclose(found, oracle(losses, ids.tolist(), size, 3), rtol=1e-12)


def test_adaptive_probabilities_sum_to_one():
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(6))
    before = rng.integers(0, 5, 30).astype(np.int32)
    total = 0.0
    for token in range(6):
        window = TokenWindow(np.zeros(9, dtype=np.int32), np.zeros(6, dtype=np.int64), np.zeros(2))
        ids = np.append(before, np.int32(token)).astype(np.int32)
        found = np.empty(31)
        cache_losses(found, -np.log(p[ids]), ids, window, 5)
        total += math.exp(-found[-1])
    assert total == pytest.approx(1, abs=1e-12)
