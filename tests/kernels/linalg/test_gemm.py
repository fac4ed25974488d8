"""The matrix product inside flat arrays, against NumPy in float64."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import config, njit

from fastlm_kernels.linalg import gemm as product
from fastlm_kernels.linalg.dense import GROUP, PANEL, PANEL_ROWS, TILE_ROWS
from fastlm_kernels.linalg.gemm import gemm, gemm_gradient, new_workspace
from fastlm_kernels.runtime.cache import KernelCache

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
    workspace.lists[:] = 1 << 30
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
    """Such products are turned round: the smaller matrix is transposed in its place."""
    for m, n, k in (
        (PANEL, 1024 + 9, 1024),
        (PANEL // 2, 300, 3500 + 7),
        (2 * PANEL + PANEL // 2, 4100, PANEL_ROWS + 1),
    ):
        check(m, n, k, False, True, 0.25, beta)


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


# Blocks of another size than this machine's: fewer lanes, other rows.
OTHER_PROCESSOR = """
    import sys

    from llvmlite import binding

    real = binding.get_host_cpu_features()

    class Claimed(dict):
        # Numba asks too: code is still made for the processor that runs it.
        flatten = staticmethod(real.flatten)

    binding.get_host_cpu_features = lambda: Claimed({name: True for name in sys.argv[1:]})

    from fastlm_kernels.linalg.simd import BLOCK_ROWS, LANES
    from tests.kernels.linalg.test_gemm import GROUP, PANEL, PANEL_ROWS, TILE_ROWS, check
    from tests.kernels.linalg.test_sparse import check_behind_relu

    print(LANES, BLOCK_ROWS)
    for m, n, k in (
        (TILE_ROWS + 5, GROUP + PANEL + 3, PANEL_ROWS + 9),
        (BLOCK_ROWS - 1, PANEL - 1, 3),
        (BLOCK_ROWS + 1, PANEL + 1, 1),
        (2 * BLOCK_ROWS + 4, LANES, LANES + 1),
    ):
        for transpose_a, transpose_b in ((False, False), (False, True), (True, False)):
            for zeros_in in ("", "a", "b"):
                check(m, n, k, transpose_a, transpose_b, 0.25, 0.9, zeros_in=zeros_in)
                check(m, n, k, transpose_a, transpose_b, 1.0, 0.0, zeros_in=zeros_in)
        check_behind_relu(m, n, k, 0.0)
        check_behind_relu(m, n, k, 1.0)
"""


def in_a_new_process(code, *arguments, **environment):
    """With a cache of its own, so that it compiles everything."""
    with tempfile.TemporaryDirectory() as cache:
        return subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code), *arguments],
            env=os.environ
            | {"NUMBA_CACHE_DIR": cache, "PYTHONPATH": str(Path(__file__).parents[3])}
            | environment,
            capture_output=True,
            text=True,
        )


def on_another_processor(features, shape):
    return in_a_new_process(OTHER_PROCESSOR, *features)


@pytest.mark.skipif(NO_JIT, reason="NumPy's product then")
@pytest.mark.beside(run=on_another_processor)
@pytest.mark.parametrize(
    ("features", "shape"), [([], "4 8"), (["avx"], "8 6"), (["avx", "avx512f"], "16 6")], ids=str
)
def test_the_blocks_of_other_processors(features, shape, beside):
    assert (beside.returncode, beside.stdout.strip()) == (0, shape), beside.stderr


def on_a_generic_processor():
    code = """
        from fastlm_kernels.linalg.simd import LANES
        from tests.kernels.linalg.test_sparse import check_behind_relu
        from tests.kernels.linalg.test_gemm import check

        print(LANES)
        check(40, 50, 60, False, False, 0.25, 0.9, zeros_in="a")
        check_behind_relu(40, 50, 60, 0.0)
    """
    return in_a_new_process(code, NUMBA_CPU_NAME="generic")


@pytest.mark.skipif(NO_JIT, reason="NumPy's product then")
@pytest.mark.beside(run=on_a_generic_processor)
def test_a_processor_that_numba_is_told_of(beside):
    """Then no instructions of the real one may be asked for."""
    assert (beside.returncode, beside.stdout.strip()) == (0, "4"), beside.stderr


@pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled")
def test_the_product_has_the_cache_of_the_kernels():
    assert isinstance(product._compiled()._cache, KernelCache)
