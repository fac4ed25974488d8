"""Products that leave out what is zero: the dense product's bits, and gradients after ReLU."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import config, njit

from fastlm_kernels.linalg.dense import PANEL, PANEL_ROWS
from fastlm_kernels.linalg.gemm import gemm, gemm_masked
from fastlm_kernels.linalg.sparse import DENSE, SPARSE_ROWS
from tests.kernels.linalg.test_gemm import (
    FENCE,
    block,
    flat_with,
    gradient,
    mostly_zero,
    used_workspace,
)

NO_JIT = bool(config.DISABLE_JIT)


@njit
def masked(c, c0, ldc, h, a, a0, a_row, b, b0, ldb, m, n, k, beta, workspace):
    gemm_masked(c, c0, ldc, h, c0, a, a0, a_row, b, b0, ldb, m, n, k, beta, workspace)


if not NO_JIT:
    from fastlm_kernels.linalg.call import call_product

    @njit
    def dense(c, a, a_row, a_column, b, ldb, transpose_b, m, n, k, alpha, beta, workspace):
        call_product(
            workspace.address,
            (c, np.int64(0), n, a, np.int64(0), a_row, a_column, b, np.int64(0), ldb, transpose_b,
             m, n, k, alpha, beta, c, np.int64(0), np.int64(DENSE),
             workspace.pack, workspace.indices),
        )  # fmt: skip


def normal(rng, *shape):
    return rng.standard_normal(shape).astype(np.float32)


SIZES = [
    (2 * SPARSE_ROWS + 5, PANEL + 3, PANEL_ROWS + 9),
    (33, 2 * PANEL, 40),
    (40, 5, 3 * PANEL_ROWS + 1),
]


@pytest.mark.skipif(NO_JIT, reason="NumPy's product then")
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("beta", [0.0, 1.0, 0.9])
@pytest.mark.parametrize(
    ("zeros_in", "transpose_a", "transpose_b"),
    [
        ("a", False, False),
        ("a", False, True),
        ("a", True, False),
        ("b", False, False),
        ("b", True, False),
    ],
)
def test_the_bits_of_the_dense_product(size, beta, zeros_in, transpose_a, transpose_b):
    """So it does not matter which of the two is taken, nor whether another machine decides so."""
    m, n, k = size
    rng = np.random.default_rng(0)
    a = normal(rng, k, m) if transpose_a else normal(rng, m, k)
    b = normal(rng, n, k) if transpose_b else normal(rng, k, n)
    mostly_zero(a if zeros_in == "a" else b, rng)
    before = normal(rng, m, n)
    strides = (1, m) if transpose_a else (k, 1)
    ldb = b.shape[1]
    listed, other = before.copy(), before.copy()
    if zeros_in == "b":
        gradient(
            listed.ravel(), 0, n, a.ravel(), 0, *strides, b.ravel(), 0, ldb, m, n, k, 0.25, beta,
            used_workspace(),
        )  # fmt: skip
    else:
        gemm(
            listed.ravel(), 0, n, a.ravel(), 0, *strides, b.ravel(), 0, ldb, transpose_b, m, n, k,
            0.25, beta, used_workspace(),
        )  # fmt: skip
    dense(
        other.ravel(), a.ravel(), *strides, b.ravel(), ldb, int(transpose_b), m, n, k,
        np.float32(0.25), np.float32(beta), used_workspace(),
    )  # fmt: skip
    assert listed.tobytes() == other.tobytes()


def check_masked(m, n, k, beta, offsets=(1, 2, 3), pads=(1, 2, 3), share=0.15):
    rng = np.random.default_rng([m, n, k])
    a, b = normal(rng, m, k), normal(rng, n, k)
    c, h = normal(rng, m, n), mostly_zero(normal(rng, m, n), rng, share)
    expected = a.astype(float) @ b.T.astype(float)
    if beta:
        expected += beta * c
    else:
        c[:] = np.nan  # must not be read
    flat_a, lda = flat_with(a, offsets[0], pads[0])
    flat_b, ldb = flat_with(b, offsets[1], pads[1])
    flat_c, ldc = flat_with(c, offsets[2], pads[2])
    flat_h, _ = flat_with(h, offsets[2], pads[2])
    masked(
        flat_c, offsets[2], ldc, flat_h, flat_a, offsets[0], lda, flat_b, offsets[1], ldb,
        m, n, k, beta, used_workspace(),
    )  # fmt: skip
    result = block(flat_c, offsets[2], ldc, m, n)
    tolerance = 1e-6 * (1 + (np.abs(a) @ np.abs(b.T)).max())
    np.testing.assert_allclose(result[h != 0], expected[h != 0], rtol=0, atol=tolerance)
    result[...] = FENCE
    assert np.all(flat_c == FENCE), "wrote outside its block"


sizes = st.integers(1, 70)
pads = st.integers(0, 3)


@given(
    sizes, sizes, sizes, st.sampled_from([0.0, 1.0]), st.tuples(pads, pads, pads),
    st.tuples(pads, pads, pads), st.sampled_from([0.0, 0.1, 0.4, 1.0]),
)  # fmt: skip
@settings(deadline=None)
def test_small_gradients_behind_relu(m, n, k, beta, offsets, pads, share):
    check_masked(m, n, k, beta, offsets, pads, share)


@pytest.mark.parametrize("beta", [0.0, 1.0])
def test_large_gradients_behind_relu(beta):
    check_masked(SPARSE_ROWS + 3, PANEL_ROWS + 7, 3, beta)
    check_masked(5, 20, 1100, beta)


@pytest.mark.skipif(NO_JIT, reason="NumPy's product then")
def test_a_bad_number_is_not_taken_for_a_zero():
    rng = np.random.default_rng(0)
    a, b = mostly_zero(normal(rng, 40, 60), rng), normal(rng, 60, 50)
    a[3, 7] = np.nan
    c = np.empty((40, 50), dtype=np.float32)
    gemm(c.ravel(), 0, 50, a.ravel(), 0, 60, 1, b.ravel(), 0, 50, False, 40, 50, 60, 1.0, 0.0,
         used_workspace())  # fmt: skip
    assert np.all(np.isnan(c[3]))
    assert np.all(np.isfinite(np.delete(c, 3, axis=0)))
    h = mostly_zero(normal(rng, 40, 50), rng)
    h[0, 0] = np.nan
    d = normal(rng, 40, 60)
    d[0] = 1
    masked(c.ravel(), 0, 50, h.ravel(), d.ravel(), 0, 60, b.T.copy().ravel(), 0, 60, 40, 50,
                60, 0.0, used_workspace())  # fmt: skip
    assert c[0, 0] == pytest.approx(b[:, 0].sum(), abs=1e-4)
