"""The row sweep with transposed inputs, and forward passes of whole contexts."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.engine import tiling
from fastlm.engine.generation import context_logits
from tests import naive
from tests.oracle_runs import EXTRAS, check_gradient, initial, models, random_tokens, wide


@pytest.mark.parametrize("extra", [{}, *EXTRAS], ids=str)
@pytest.mark.parametrize("columns", [0, 6])
@pytest.mark.parametrize("hidden", [(), (7, 5)])
@pytest.mark.parametrize("output", ["by rows", "by columns"])
def test_gradient_from_transposed_inputs(extra, columns, hidden, output, monkeypatch):
    """Of all layers, or of those with at least six columns."""
    monkeypatch.setattr(tiling, "_TRANSPOSED_FROM", columns)
    if output == "by columns":
        monkeypatch.setattr(tiling, "_MIN_SWEPT_WEIGHTS", 0)
        monkeypatch.setattr(tiling, "_MIN_SWEPT_RATIO", 0)
    check_gradient({"hidden": hidden, **extra}, (0.4, 0.3), (40, None))


@pytest.mark.parametrize("extra", [{}, *EXTRAS], ids=str)
def test_context_logits(extra):
    model, oracle = models(11, hidden=(6, 5), **extra)
    params = initial(oracle)
    contexts = random_tokens(11, 5 * oracle.span).reshape(5, oracle.span).astype(np.int32)
    logits = context_logits(params, model, contexts)
    expected = naive.forward(wide(params, oracle), oracle, contexts).logits
    assert logits.shape == (5, 11)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    if model.cutoffs:
        np.testing.assert_allclose(np.exp(logits.astype(np.float64)).sum(axis=1), 1, rtol=1e-5)
