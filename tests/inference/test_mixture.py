"""The weights of a mixture: fitted by EM, and measured where they were not fitted."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.inference.mixture import cross_fit, fit_weights, mixed_losses, one_bucket


def halves(size=4000):
    """Two members, of which the first is right in class 0 and the second in class 1."""
    rng = np.random.default_rng(0)
    buckets = (np.arange(size) // 7 % 2).astype(np.uint8)
    good, bad = rng.exponential(1, size), rng.exponential(4, size) + 2
    return np.array([np.where(buckets == 0, good, bad), np.where(buckets == 0, bad, good)]), buckets


def test_every_class_has_the_weights_that_suit_it():
    losses, buckets = halves()
    weights = fit_weights(losses, buckets, 4)
    assert weights.shape == (4, 2)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    assert weights[0, 0] > 0.9
    assert weights[1, 1] > 0.9
    np.testing.assert_array_equal(weights[2], weights[3])  # those of all, as they do not occur


def test_no_other_weights_do_better():
    losses, _ = halves()
    buckets = one_bucket(losses.shape[1])
    fitted = mixed_losses(losses, buckets, fit_weights(losses, buckets, 1)).sum()
    for share in np.linspace(0.01, 0.99, 50):
        other = mixed_losses(losses, buckets, np.array([[share, 1 - share]])).sum()
        assert fitted <= other + 0.01


def test_a_cross_fit_measures_each_half_with_the_weights_of_the_other():
    losses, buckets = halves(1001)
    fit = cross_fit(losses, buckets, 2)
    first, second = slice(0, 500), slice(500, 1001)
    total = 0.0
    for a, b in ((first, second), (second, first)):
        weights = fit_weights(losses[:, a], buckets[a], 2)
        total += mixed_losses(losses[:, b].copy(), buckets[b], weights).sum()
    assert fit.loss == pytest.approx(total / 1001, rel=1e-12)
    assert fit.losses == tuple(losses.mean(axis=1))
    assert fit.loss < min(fit.losses)
    np.testing.assert_array_equal(fit.weights, fit_weights(losses, buckets, 2))


def test_a_member_that_is_sure_and_wrong_gets_no_share():
    losses = np.array([np.ones(50), np.full(50, 900.0)])
    weights = fit_weights(losses, one_bucket(50), 1)
    assert weights[0, 0] > 1 - 1e-6
    assert mixed_losses(losses, one_bucket(50), weights) == pytest.approx(np.ones(50))
