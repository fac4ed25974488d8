"""The losses of a mixture against their formula."""

from __future__ import annotations

import numpy as np

from fastlm_kernels.counts.mixing import mix_losses


def test_a_mixture_is_the_weighted_sum_of_probabilities():
    rng = np.random.default_rng(0)
    members = rng.exponential(3, (3, 500))
    buckets = rng.integers(0, 4, 500).astype(np.uint8)
    weights = rng.dirichlet([1, 1, 1], 4)
    weights[1] = [0, 1, 0]
    losses = np.empty(500)
    mix_losses(losses, members, buckets, weights)
    expected = -np.log((weights[buckets].T * np.exp(-members)).sum(axis=0))
    np.testing.assert_allclose(losses, expected, rtol=1e-12)
    np.testing.assert_allclose(losses[buckets == 1], members[1][buckets == 1], rtol=1e-12)


def test_probabilities_that_no_float_holds_are_mixed():
    losses = np.empty(2)
    members = np.array([[5000.0, 3.0], [5001.0, 800.0]])
    mix_losses(losses, members, np.zeros(2, dtype=np.uint8), np.array([[0.5, 0.5]]))
    expected = [5000 - np.log(0.5 * (1 + np.exp(-1))), 3 - np.log(0.5)]
    np.testing.assert_allclose(losses, expected, rtol=1e-12)
