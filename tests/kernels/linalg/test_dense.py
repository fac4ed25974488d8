"""The blocked product around the sizes of its tiles and panels, and the bits of single rows."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm_kernels.linalg.dense import GROUP, PANEL, PANEL_ROWS, TILE_ROWS
from fastlm_kernels.linalg.gemm import gemm
from fastlm_kernels.runtime.jit import JIT_DISABLED as NO_JIT
from tests.kernels.linalg.test_gemm import check, used_workspace


@pytest.mark.parametrize("transpose_a", [False, True])
@pytest.mark.parametrize("transpose_b", [False, True])
@pytest.mark.parametrize("beta", [0.0, 0.9])
@pytest.mark.parametrize("off", [-1, 0, 1])
@pytest.mark.parametrize("zeros_in", ["", "a", "b"])
def test_sizes_around_those_of_its_tiles(transpose_a, transpose_b, beta, off, zeros_in):
    for m, n, k in (
        (TILE_ROWS + off, PANEL + off, 2 * PANEL_ROWS + off),
        (3, GROUP + off, PANEL_ROWS + 7),
        (8 + off, 2 * GROUP + PANEL + off, PANEL_ROWS + off),
        (2 * TILE_ROWS + off, 5, 2),
        (1, 1, 3 * PANEL_ROWS + off),
    ):
        check(m, n, k, transpose_a, transpose_b, 0.25, beta, zeros_in=zeros_in)


def test_rows_of_b_that_are_a_power_of_two_apart():
    """They are packed although they would not have to be."""
    check(9, PANEL + 3, 5, False, False, 1.0, 0.9, pads=(0, 4096 - PANEL - 3, 0))
    check(9, 2 * PANEL, 5, True, False, 1.0, 0.0, pads=(0, 4096 - 2 * PANEL, 0))


@pytest.mark.parametrize("beta", [0.0, 0.9])
def test_a_large_matrix_that_is_transposed(beta):
    """Such products are transposed: the smaller matrix is packed in its place."""
    for m, n, k in (
        (PANEL, 1024 + 9, 1024),
        (PANEL // 2, 300, 3500 + 7),
        (2 * PANEL + PANEL // 2, 4100, PANEL_ROWS + 1),
    ):
        check(m, n, k, False, True, 0.25, beta)


@pytest.mark.skipif(NO_JIT, reason="NumPy's product then")
@pytest.mark.parametrize(
    ("transpose_b", "size"),
    [
        (False, (29, PANEL + 9, PANEL_ROWS + 11)),
        (True, (29, PANEL + 9, PANEL_ROWS + 11)),
        (True, (PANEL, 300, 3500)),
    ],
)
def test_a_row_has_the_same_bits_whatever_rows_stand_beside_it(transpose_b, size):
    """So the losses of a text do not depend on how its positions are cut into batches."""
    rng = np.random.default_rng(0)
    m, n, k = size
    a = rng.standard_normal((m, k)).astype(np.float32)
    b = rng.standard_normal(n * k).astype(np.float32)

    def product(rows):
        c = np.empty((len(rows), n), dtype=np.float32)
        gemm(
            c.ravel(), 0, n, rows.ravel(), 0, k, 1, b, 0, k if transpose_b else n, transpose_b,
            len(rows), n, k, 1.0, 0.0, used_workspace(),
        )  # fmt: skip
        return c

    whole = product(a)
    for first, last in ((0, 1), (3, 7), (5, 18), (28, 29)):
        np.testing.assert_array_equal(product(a[first:last]), whole[first:last])
