"""The matrix product inside flat arrays, against NumPy in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import config, njit

from fastlm_kernels.linalg.gemm import gemm, gemm_gradient, new_workspace

NO_JIT = bool(config.DISABLE_JIT)
FENCE = np.float32(777.0)

sizes = st.integers(1, 70)
pads = st.integers(0, 3)


def block(flat, offset, leading, rows, columns):
    """The [rows, columns] matrix inside ``flat``, as a view."""
    step = flat.itemsize
    return np.lib.stride_tricks.as_strided(flat[offset:], (rows, columns), (leading * step, step))


def flat_with(matrix, offset, pad):
    """(flat array that holds ``matrix`` at ``offset``, fenced all around; its leading dimension)"""
    rows, columns = matrix.shape
    leading = columns + pad
    flat = np.full(offset + rows * leading + 5, FENCE, dtype=np.float32)
    block(flat, offset, leading, rows, columns)[...] = matrix
    return flat, leading


def used_workspace():
    """A workspace full of NaN: whatever it held before must not matter."""
    workspace = new_workspace()
    workspace.pack[:] = np.nan
    workspace.indices[:] = 1 << 30
    return workspace


@njit
def gradient(c, c0, ldc, a, a0, a_row, a_column, b, b0, ldb, m, n, k, alpha, beta, workspace):
    gemm_gradient(c, c0, ldc, a, a0, a_row, a_column, b, b0, ldb, m, n, k, alpha, beta, workspace)


def mostly_zero(matrix, rng, share=0.15):
    """What is behind ReLU and dropout: about 85 of 100 elements are zero."""
    matrix[rng.random(matrix.shape) > share] = 0
    return matrix


def check(
    m, n, k, transpose_a, transpose_b, alpha, beta,
    offsets=(1, 2, 3), pads=(1, 2, 3), zeros_in="",
):  # fmt: skip
    rng = np.random.default_rng([m, n, k, transpose_a, transpose_b])
    a = rng.standard_normal((k, m) if transpose_a else (m, k)).astype(np.float32)
    b = rng.standard_normal((n, k) if transpose_b else (k, n)).astype(np.float32)
    if "a" in zeros_in:
        mostly_zero(a, rng)
    if "b" in zeros_in:
        mostly_zero(b, rng)
    c = rng.standard_normal((m, n)).astype(np.float32)
    if beta == 0:
        c[:] = np.nan  # must not be read
    flat_a, lda = flat_with(a, offsets[0], pads[0])
    flat_b, ldb = flat_with(b, offsets[1], pads[1])
    before_a, before_b = flat_a.tobytes(), flat_b.tobytes()
    strides = (1, lda) if transpose_a else (lda, 1)
    wide_a = (a.T if transpose_a else a).astype(np.float64)
    wide_b = (b.T if transpose_b else b).astype(np.float64)
    expected = alpha * (wide_a @ wide_b)
    # A lost or doubled term is near 1, rounding far below this.
    tolerance = 1e-6 * (1 + (np.abs(wide_a) @ np.abs(wide_b)).max())
    if beta:
        expected += beta * c.astype(float)
    for as_gradient in (False, True):
        if as_gradient and transpose_b:
            continue
        flat_c, ldc = flat_with(c, offsets[2], pads[2])
        if as_gradient:
            gradient(
                flat_c, offsets[2], ldc, flat_a, offsets[0], *strides, flat_b, offsets[1], ldb,
                m, n, k, alpha, beta, used_workspace(),
            )  # fmt: skip
        else:
            gemm(
                flat_c, offsets[2], ldc, flat_a, offsets[0], *strides, flat_b, offsets[1], ldb,
                transpose_b, m, n, k, alpha, beta, used_workspace(),
            )  # fmt: skip
        result = block(flat_c, offsets[2], ldc, m, n)
        np.testing.assert_allclose(result, expected, rtol=0, atol=tolerance)
        result[...] = FENCE
        assert np.all(flat_c == FENCE), "wrote outside its block"
        assert (flat_a.tobytes(), flat_b.tobytes()) == (before_a, before_b)


@given(
    sizes, sizes, sizes, st.booleans(), st.booleans(),
    st.sampled_from([1.0, -0.75]), st.sampled_from([0.0, 1.0, 0.9]),
    st.tuples(pads, pads, pads), st.tuples(pads, pads, pads), st.sampled_from(["", "a", "b"]),
)  # fmt: skip
@settings(deadline=None)
def test_small_products(m, n, k, transpose_a, transpose_b, alpha, beta, offsets, pads, zeros_in):
    check(m, n, k, transpose_a, transpose_b, alpha, beta, offsets, pads, zeros_in)


@pytest.mark.parametrize(("transpose_a", "transpose_b"), [(False, False), (True, True)])
def test_the_order_of_rows_and_columns(transpose_a, transpose_b):
    """Numbers that tell a matrix from its transpose, row-major from column-major."""
    a = np.array([[1, 2, 3], [4, 5, 6]], dtype=np.float32)
    b = np.array([[1, 0], [0, 10], [100, 0]], dtype=np.float32)
    stored_a = np.ascontiguousarray(a.T if transpose_a else a)
    stored_b = np.ascontiguousarray(b.T if transpose_b else b)
    c = np.empty(4, dtype=np.float32)
    gemm(
        c, 0, 2, stored_a.ravel(), 0, *((1, 2) if transpose_a else (3, 1)),
        stored_b.ravel(), 0, stored_b.shape[1], transpose_b, 2, 2, 3, 1.0, 0.0, used_workspace(),
    )  # fmt: skip
    assert c.tolist() == [301.0, 20.0, 604.0, 50.0]
