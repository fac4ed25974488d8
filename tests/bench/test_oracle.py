"""The benchmark's oracle agrees with the reference systems and with finite differences."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from fastlm.bench import oracle
from fastlm.bench.oracle import train_in_float64
from fastlm.bench.works import batches, initial_params
from fastlm.model.reference_weights import from_reference, to_mini, to_tiny
from fastlm.reference import tiny
from fastlm.reference.mini import cross_entropy_loss

from .conftest import CONCAT, MEAN, TINY, small_works

STEPS = 4


@pytest.mark.parametrize("hidden", [(8,), (8, 6)])
def test_agrees_with_mini(hidden):
    work = dataclasses.replace(CONCAT, hidden=hidden)
    mini = to_mini(initial_params(work), work.model, learning_rate=work.lr, momentum=work.momentum)
    theirs = []
    for contexts, targets in zip(*batches(work, STEPS), strict=True):
        probs, cache = mini.forward(contexts)
        theirs.append(cross_entropy_loss(probs, targets))
        mini.update_params(mini.backward(probs, targets, cache))
    losses, params = train_in_float64(work, STEPS)
    assert losses == pytest.approx(theirs, rel=1e-12)
    np.testing.assert_allclose(params, from_reference(mini, work.model), atol=1e-7)


def test_agrees_with_tiny():
    weights = to_tiny(initial_params(TINY), TINY.model)
    contexts, targets = batches(TINY, STEPS)
    theirs = [
        tiny.backward_pass(context[0], target[0], weights, TINY.lr)
        for context, target in zip(contexts.tolist(), targets.tolist(), strict=True)
    ]
    losses, params = train_in_float64(TINY, STEPS)
    assert losses == pytest.approx(theirs, rel=1e-12)
    np.testing.assert_allclose(params, from_reference(weights, TINY.model), atol=1e-7)


@small_works
def test_gradient_is_that_of_its_loss(work):
    (contexts, targets), rng = (part[0] for part in batches(work, 1)), np.random.default_rng(0)
    params = initial_params(work).astype(np.float64)
    grad, nothing = np.zeros_like(params), np.zeros_like(params)
    oracle._add_gradient(grad, params, work, contexts, targets)
    direction = rng.standard_normal(params.size)
    small = 1e-5
    above, below = (
        oracle._add_gradient(nothing, params + sign * small * direction, work, contexts, targets)
        for sign in (1, -1)
    )
    assert grad @ direction == pytest.approx((above - below) / (2 * small), rel=1e-6)


def test_slices_of_rows_change_nothing(monkeypatch):
    whole = train_in_float64(MEAN, 2)[1]
    train_in_float64.cache_clear()
    monkeypatch.setattr(oracle, "_ROWS", 3)
    np.testing.assert_allclose(train_in_float64(MEAN, 2)[1], whole, rtol=1e-12)
    train_in_float64.cache_clear()
