"""Affine layers inside flat arrays, forward and backward, against NumPy in float64."""

from __future__ import annotations

import numpy as np
import pytest
from numba import njit

from fastlm_kernels.layers.affine import (
    accumulate_gradient,
    affine,
    affine_backward,
    apply_momentum,
    momentum_update,
)
from fastlm_kernels.linalg.gemm import new_workspace

ROWS, K, N = 5, 7, 9
WEIGHT, BIAS = 3, 3 + K * N
BEFORE = 2  # elements before x, out and their gradients


def arrays(*sizes):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(size).astype(np.float32) for size in sizes]


def matrices(params):
    wide = params.astype(np.float64)
    return wide[WEIGHT:BIAS].reshape(K, N), wide[BIAS : BIAS + N]


@pytest.mark.parametrize("bias", [-1, BIAS])
def test_forward(bias):
    x, params = arrays(BEFORE + ROWS * K, BIAS + N)
    out = np.full(BEFORE + ROWS * (N + 1), np.nan, dtype=np.float32)
    affine(out, BEFORE, N + 1, new_workspace(), x, BEFORE, params, WEIGHT, bias, ROWS, K, N)
    weight, b = matrices(params)
    expected = x[BEFORE:].reshape(ROWS, K).astype(np.float64) @ weight + (b if bias >= 0 else 0)
    result = out[BEFORE:].reshape(ROWS, N + 1)
    np.testing.assert_allclose(result[:, :N], expected, atol=1e-5)
    assert np.isnan(result[:, N]).all(), "wrote beyond its rows"


@njit  # not cached: the cache does not see a change of this file's constants
def backward(d_x, x, workspace, d_out, params, beta, after_relu):
    affine_backward(
        d_x, x, BEFORE, workspace, d_out, BEFORE, params, WEIGHT, ROWS, K, N, beta, after_relu
    )


@pytest.mark.parametrize("after_relu", [False, True])
@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_backward(beta, after_relu):
    x, params, d_out, d_x = arrays(
        BEFORE + ROWS * K, BIAS + N, BEFORE + ROWS * N, BEFORE + ROWS * K
    )
    x[x < 0.8] = 0  # mostly zero
    before = d_x[BEFORE:].reshape(ROWS, K).copy()
    backward(d_x, x, new_workspace(), d_out, params, beta, after_relu)
    weight, _ = matrices(params)
    expected = d_out[BEFORE:].reshape(ROWS, N).astype(np.float64) @ weight.T + beta * before
    needed = x[BEFORE:].reshape(ROWS, K) != 0 if after_relu else np.full((ROWS, K), True)
    assert needed.any()
    np.testing.assert_allclose(d_x[BEFORE:].reshape(ROWS, K)[needed], expected[needed], atol=1e-5)


@pytest.mark.parametrize("batch", [0, ROWS])
@pytest.mark.parametrize("beta", [0.0, 0.9])
@pytest.mark.parametrize("transposed", [False, True])
def test_gradient_and_update_of_some_columns(batch, beta, transposed):
    """M = beta M + scale x^T d_out and W -= rate M, for the columns 2 to 6 and nothing else."""
    x, d_out, momentum, params = arrays(BEFORE + ROWS * K, BEFORE + ROWS * 4, BIAS + N, BIAS + N)
    if beta == 0:
        momentum[WEIGHT:] = np.nan  # need not be initialized
    old, old_params = momentum.copy(), params.astype(np.float64)
    matrix = x[BEFORE:].reshape(ROWS, K)
    if transposed:
        x[BEFORE:] = matrix.T.ravel()
        matrix = x[BEFORE:].reshape(K, ROWS).T
    strides = (1, ROWS) if transposed else (K, 1)
    accumulate_gradient(
        momentum, new_workspace(), x, BEFORE, *strides, d_out, BEFORE, 4, WEIGHT, BIAS,
        batch, K, N, 2, 6, 0.5, beta,
    )  # fmt: skip
    apply_momentum(params, momentum, WEIGHT, BIAS, K, N, 2, 6, 0.1)
    d = d_out[BEFORE:].reshape(ROWS, 4)[:batch].astype(np.float64)
    for part, gradient, columns in (
        (slice(WEIGHT, BIAS), matrix[:batch].T @ d, (K, N)),
        (slice(BIAS, BIAS + N), d.sum(axis=0)[None], (1, N)),
    ):
        expected = np.nan_to_num(old[part]).reshape(columns).astype(np.float64) * beta
        expected = expected[:, 2:6] + 0.5 * gradient
        new = momentum[part].reshape(columns)
        np.testing.assert_allclose(new[:, 2:6], expected, atol=1e-5)
        moved = old_params[part].reshape(columns)[:, 2:6] - 0.1 * expected
        np.testing.assert_allclose(params[part].reshape(columns)[:, 2:6], moved, atol=1e-5)
        others = np.setdiff1d(np.arange(N), np.arange(2, 6))
        np.testing.assert_array_equal(new[:, others], old[part].reshape(columns)[:, others])
    np.testing.assert_array_equal(momentum[:WEIGHT], old[:WEIGHT])


def test_the_unfused_momentum_update():
    params, momentum, grad = arrays(9, 9, 9)
    old = params.copy(), momentum.copy()
    momentum_update(params, momentum, grad, 2, 7, 0.1, 0.9)
    m = 0.9 * old[1][2:7].astype(np.float64) + 0.1 * grad[2:7]
    np.testing.assert_allclose(momentum[2:7], m, rtol=1e-6)
    np.testing.assert_allclose(params[2:7], old[0][2:7] - 0.1 * m, rtol=1e-6)
    for array, before in zip((params, momentum), old, strict=True):
        np.testing.assert_array_equal(np.delete(array, range(2, 7)), np.delete(before, range(2, 7)))
