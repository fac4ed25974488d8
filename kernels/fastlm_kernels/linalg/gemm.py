"""The matrix product as kernels call it: C = alpha * A @ op(B) + beta * C in float32.

BLAS libraries are made for large matrices. A small language model multiplies a few dozen rows with
a matrix that is in the cache already, over and over, and OpenBLAS copies that matrix into its own
order on every call. Here the block of results that is being summed stays in registers, and the
matrix is read in place, or through a small panel where its rows are far apart or it is transposed.
On an AVX-512 machine (105 GFLOP/s a core with OpenBLAS at best) 16 to 32 rows ran at 90 to
110 GFLOP/s in place of 53 to 70. It needs no library, starts no threads, and sums in one fixed
order. Figures: bench/CHOICES.md, "Kernels".

``linalg.dense`` has the blocked product (after Goto, van de Geijn 2008, "Anatomy of
high-performance matrix multiplication"), ``linalg.sparse`` what is done where most of a matrix is
zero. With JIT off a NumPy twin does the same sums.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from fastlm_kernels.linalg.call import PRODUCT, call_product
from fastlm_kernels.linalg.dense import PACK_SIZE
from fastlm_kernels.linalg.sparse import (
    GRADIENT,
    MASKED,
    MULTIPLY,
    SPARSE_ROWS,
    SPARSE_SIZE,
    any_product,
)
from fastlm_kernels.runtime.alignment import aligned_empty
from fastlm_kernels.runtime.jit import JIT_DISABLED, callback, inner_kernel, shared_kernel

F = np.float32


class Workspace(NamedTuple):
    """What a thread needs to multiply: scratch of its own, and the address of the product.

    pack : float32[PACK_SIZE + SPARSE_SIZE], the panels, then the values of compressed rows
    indices : int32[SPARSE_SIZE + SPARSE_ROWS + 1], their columns, then where each row starts
    """

    pack: np.ndarray
    indices: np.ndarray
    address: int


def _workspace(pack, indices, address):
    return Workspace(aligned_empty(pack, np.float32), aligned_empty(indices, np.int32), address)


NO_WORKSPACE = _workspace(0, 0, 0)  # for calls that multiply nothing


def new_workspace() -> Workspace:
    """Return a Workspace for one thread; the first call compiles the product."""
    return _workspace(PACK_SIZE + SPARSE_SIZE, SPARSE_SIZE + SPARSE_ROWS + 1, _address())


if JIT_DISABLED:

    def _address():
        return 0

    def gemm(
        c, c0, ldc, a, a0, a_row, a_column, b, b0, ldb, transpose_b, m, n, k, alpha, beta, workspace
    ):  # documented at the compiled twin below
        left = _matrix(a, a0, a_row, a_column, m, k)
        right = _matrix(b, b0, 1, ldb, k, n) if transpose_b else _matrix(b, b0, ldb, 1, k, n)
        out = _matrix(c, c0, ldc, 1, m, n)
        out[:] = F(alpha) * (left @ right) + (F(beta) * out if beta != 0 else F(0))

    def _matrix(flat, offset, row_stride, column_stride, rows, columns):
        flat[offset + (rows - 1) * row_stride + (columns - 1) * column_stride]  # in bounds?
        step = flat.itemsize
        return np.lib.stride_tricks.as_strided(
            flat[offset:], (rows, columns), (row_stride * step, column_stride * step)
        )

    def gemm_gradient(
        c, c0, ldc, a, a0, a_row, a_column, b, b0, ldb, m, n, k, alpha, beta, workspace
    ):
        gemm(c, c0, ldc, a, a0, a_row, a_column, b, b0, ldb, False, m, n, k, alpha, beta, workspace)

    def gemm_masked(c, c0, ldc, h, h0, a, a0, a_row, b, b0, ldb, m, n, k, beta, workspace):
        gemm(c, c0, ldc, a, a0, a_row, 1, b, b0, ldb, True, m, n, k, 1.0, beta, workspace)

else:

    @cache
    def _compiled():  # cached, since its code lives as long as this object
        return callback(any_product, PRODUCT)

    def _address():
        return _compiled().address

    @shared_kernel
    def gemm(
        c, c0, ldc, a, a0, a_row, a_column, b, b0, ldb, transpose_b, m, n, k, alpha, beta, workspace
    ):
        """Compute C = alpha * A @ op(B) + beta * C inside flat arrays.

        Each result is a sum over s = 0 .. k - 1 in this order, PANEL_ROWS terms at a time. Where A
        is mostly zero, terms of zero are left out.

        c : float32[...], C[m, n] at c0 with rows ldc apart; changed. With beta = 0 it is not read
            and may hold anything, NaN included
        a : float32[...], A[i, s] at a0 + i * a_row + s * a_column; one of the strides is 1
        b : float32[...], op(B)[k, n] at b0 with rows ldb apart, or [n, k] if transpose_b
        workspace : Workspace of this thread
        """
        call_product(
            workspace.address,
            (c, c0, ldc, a, a0, a_row, a_column, b, b0, ldb, np.int64(transpose_b),
             m, n, k, F(alpha), F(beta), c, c0, np.int64(MULTIPLY),
             workspace.pack, workspace.indices),
        )  # fmt: skip

    @inner_kernel
    def gemm_gradient(
        c, c0, ldc, a, a0, a_row, a_column, b, b0, ldb, m, n, k, alpha, beta, workspace
    ):
        """Compute C = alpha * A @ B + beta * C like ``gemm``, where A or B may be mostly zero."""
        call_product(
            workspace.address,
            (c, c0, ldc, a, a0, a_row, a_column, b, b0, ldb, np.int64(0),
             m, n, k, F(alpha), F(beta), c, c0, np.int64(GRADIENT),
             workspace.pack, workspace.indices),
        )  # fmt: skip

    @inner_kernel
    def gemm_masked(c, c0, ldc, h, h0, a, a0, a_row, b, b0, ldb, m, n, k, beta, workspace):
        """Compute C = A @ B^T + beta * C where h is not zero; elsewhere C may hold anything.

        Where h is mostly zero only the needed products are computed, summed in another order.

        h : float32[...], the mask, laid out like C, from h0 on
        Other arguments as in ``gemm``; B is [n, k].
        """
        call_product(
            workspace.address,
            (c, c0, ldc, a, a0, a_row, np.int64(1), b, b0, ldb, np.int64(1),
             m, n, k, F(1), F(beta), h, h0, np.int64(MASKED), workspace.pack, workspace.indices),
        )  # fmt: skip
