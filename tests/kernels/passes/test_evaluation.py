"""Losses of positions against the float64 oracle."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.engine.losses import position_losses
from fastlm.engine.tokens import token_array
from tests import naive
from tests.oracle_runs import NO_JIT, initial, models, random_tokens, wide


@pytest.mark.parametrize("boundary", [None, 4])
@pytest.mark.parametrize(
    "shape",
    [
        {"combine": "mean", "hidden": (), "bias": False},
        {"hidden": (6,)},
        {"hidden": (6, 5)},
        {"hidden": (6,), "far": (2, 4)},
        {"hidden": (6,), "cutoffs": (3, 7)},
    ],
    ids=["mean", "one", "two", "far", "adaptive"],
)
def test_position_losses(shape, boundary):
    model, oracle = models(11, boundary=boundary, **shape)
    tokens = random_tokens(11, 150 if NO_JIT else 400)
    params = initial(oracle)
    edge = -1 if boundary is None else boundary
    first = naive.first_target(oracle.span, edge)
    losses = position_losses(params, model, token_array(tokens, 11), first, tokens.size)
    expected = naive.nll_of_positions(
        wide(params, oracle), oracle, tokens, np.arange(first, tokens.size), edge
    )
    assert losses.dtype == np.float64
    np.testing.assert_allclose(losses, expected, rtol=1e-5, atol=2e-6)
    part = position_losses(params, model, token_array(tokens, 11), 130, 141)
    np.testing.assert_allclose(part, expected[130 - first : 141 - first], rtol=1e-5, atol=2e-6)
    assert position_losses(params, model, token_array(tokens, 11), 9, 9).size == 0
