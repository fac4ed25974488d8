"""Pools of far context: sums and gradients of any width, and gradients of whole models."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm_kernels.layers.pooling import add_product, pool_gradient, pool_sum
from fastlm_kernels.linalg.simd import LANES, PANEL
from fastlm_kernels.runtime.jit import kernel
from tests.oracle_runs import BATCHES, FAR, NO_JIT, check_gradient


@pytest.mark.parametrize("extra", FAR, ids=str)
@pytest.mark.parametrize("dropouts", [(0.0, 0.0), (0.4, 0.3)])
@pytest.mark.parametrize("batch_and_boundary", BATCHES[1:] if NO_JIT else BATCHES)
@pytest.mark.parametrize("hidden", [(), (7, 5)])
def test_gradient_with_far_context(extra, dropouts, batch_and_boundary, hidden):
    check_gradient({"hidden": hidden, **extra}, dropouts, batch_and_boundary)


@kernel
def pool(out, d_weights, d_embedding, params, ids, first, count, weights, embed, d):
    pool_sum(out, 1, params, ids, first, count, weights, embed)
    pool_gradient(d_weights, 2, params, ids, first, count, d, 3, embed)
    add_product(d_embedding, 4, params, weights, d, 3, embed, np.float32(0.5))


@pytest.mark.parametrize("embed", [1, LANES, PANEL + LANES + 3, 2 * PANEL])
@pytest.mark.parametrize("count", [0, 1, 5])
def test_sums_and_gradients_of_a_pool(embed, count):
    rng = np.random.default_rng(embed)
    vocab, first = 6, 2
    params = rng.standard_normal(vocab * embed + 5 * embed).astype(np.float32)
    weights = vocab * embed
    ids = rng.integers(0, vocab, first + count).astype(np.int32)
    d = rng.standard_normal(3 + embed).astype(np.float32)
    out, d_embedding = np.zeros(1 + embed, np.float32), np.ones(4 + embed, np.float32)
    d_weights = np.ones(2 + count * embed, dtype=np.float32)
    pool(out, d_weights, d_embedding, params, ids, first, count, weights, embed, d)

    wide = params.astype(np.float64)
    rows = wide[:weights].reshape(vocab, embed)[ids[first:]]
    w = wide[weights : weights + count * embed].reshape(count, embed)
    np.testing.assert_allclose(out[1:], (w * rows).sum(axis=0), atol=1e-5)
    np.testing.assert_allclose(d_weights[2:], 1 + (rows * d[3:]).ravel(), atol=1e-5)
    product = wide[weights : weights + embed] * d[3:]
    np.testing.assert_allclose(d_embedding[4:], 1 + 0.5 * product, atol=1e-5)
