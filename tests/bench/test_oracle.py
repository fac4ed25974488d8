"""The benchmark's oracle agrees with the reference systems and with finite differences."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from fastlm.bench import oracle
from fastlm.bench.oracle import train_in_float64
from fastlm.bench.reference_steps import Numpy, PurePython
from fastlm.bench.workloads import batches, initial_params
from fastlm.model.reference_weights import to_mini

from .conftest import CONCAT, MEAN, TINY, small_workloads


def assert_agrees(implementation, workload):
    losses, params = train_in_float64(workload, 4)
    assert losses == pytest.approx(implementation.run(4), rel=1e-12)
    np.testing.assert_allclose(params, implementation.params(), atol=1e-7)


@pytest.mark.parametrize("hidden", [(8,), (8, 6)])
def test_agrees_with_mini_in_float64(hidden):
    workload = dataclasses.replace(CONCAT, hidden=hidden)
    rates = {"learning_rate": workload.lr, "momentum": workload.momentum}
    numpy = Numpy(workload, threads=1)
    numpy._mini = to_mini(initial_params(workload), workload.model, **rates)
    assert_agrees(numpy, workload)


def test_agrees_with_tiny():
    assert_agrees(PurePython(TINY), TINY)


@small_workloads
def test_gradient_is_that_of_its_loss(workload):
    (contexts, targets), rng = (part[0] for part in batches(workload, 1)), np.random.default_rng(0)
    params = initial_params(workload).astype(np.float64)
    grad, nothing = np.zeros_like(params), np.zeros_like(params)
    oracle._add_gradient(grad, params, workload, contexts, targets)
    direction = rng.standard_normal(params.size)
    small = 1e-5
    above, below = (
        oracle._add_gradient(
            nothing, params + sign * small * direction, workload, contexts, targets
        )
        for sign in (1, -1)
    )
    assert grad @ direction == pytest.approx((above - below) / (2 * small), rel=1e-6)


def test_slices_of_rows_change_nothing(monkeypatch):
    whole = train_in_float64(MEAN, 2)[1]
    train_in_float64.cache_clear()
    monkeypatch.setattr(oracle, "_ROWS", 3)
    np.testing.assert_allclose(train_in_float64(MEAN, 2)[1], whole, rtol=1e-12)
    train_in_float64.cache_clear()
