"""Compressed rows in vector registers, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm_kernels.linalg.simd import LANES, PANEL
from fastlm_kernels.linalg.sparse_simd import DOTS, add_dots, append_nonzeros, sum_sparse
from fastlm_kernels.runtime.jit import JIT_DISABLED, kernel

pytestmark = pytest.mark.skipif(JIT_DISABLED, reason="intrinsics cannot run as Python")


@kernel
def compress(values, indices, source):
    end = np.int64(0)
    for start in range(0, source.size, LANES):
        end += append_nonzeros(values, indices, end, source, np.int64(start), np.int64(start + 5))
    return end


@pytest.mark.parametrize("kept", [0.0, 0.2, 1.0])
def test_nonzeros_are_appended_with_their_columns(kept):
    rng = np.random.default_rng(0)
    source = rng.standard_normal(4 * LANES).astype(np.float32)
    source[rng.random(source.size) >= kept] = 0
    source[3] = np.nan  # is not zero
    values, indices = np.empty(5 * LANES, np.float32), np.empty(5 * LANES, np.int32)
    end = compress(values, indices, source)
    expected = np.flatnonzero(source)
    np.testing.assert_array_equal(indices[:end], expected + 5)
    np.testing.assert_array_equal(values[:end], source[expected])


@kernel
def combine(c, values, indices, b, beta, dots, d, w, n):
    sum_sparse(
        c, np.int64(1), values, indices, np.int64(0), np.int64(values.size), b, np.int64(0),
        np.int64(PANEL), np.float32(0.5), np.float32(beta),
    )  # fmt: skip
    add_dots(dots, np.int64(1), indices, np.int64(0), d, np.int64(0), w, np.int64(0), n, n)


@pytest.mark.parametrize("beta", [0.0, 0.9])
@pytest.mark.parametrize("n", [1, LANES, 2 * LANES + 3])
def test_sums_of_rows_and_dots_with_rows(beta, n):
    rng = np.random.default_rng(n)
    indices = rng.permutation(DOTS + 3)[:DOTS].astype(np.int32)
    indices[-1] = indices[-2]  # padding: it counts once
    values = rng.standard_normal(DOTS).astype(np.float32)
    b = rng.standard_normal((DOTS + 3, PANEL)).astype(np.float32)
    c = np.full(PANEL + 2, np.nan if beta == 0 else 2.0, dtype=np.float32)
    d = rng.standard_normal(n).astype(np.float32)
    w = rng.standard_normal((DOTS + 3, n)).astype(np.float32)
    dots = np.ones(DOTS + 4, dtype=np.float32)
    combine(c, values, indices, b.ravel(), beta, dots, d, w.ravel(), n)
    expected = 0.5 * values.astype(np.float64) @ b[indices] + (2 * beta if beta else 0)
    np.testing.assert_allclose(c[1:-1], expected, atol=1e-5)
    wanted = np.ones(DOTS + 4)
    wanted[1 + np.unique(indices)] += w[np.unique(indices)].astype(np.float64) @ d
    np.testing.assert_allclose(dots, wanted, atol=1e-5)
