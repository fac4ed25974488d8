"""Matrix product inside kernels: C = alpha * A @ B + beta * C in float32.

BLAS libraries are made for large matrices; a small language model multiplies a few dozen rows with
a matrix that is already in the cache, over and over. OpenBLAS copies that matrix into its own order
on every call: on an AVX-512 machine (105 GFLOP/s a core at best) it ran at 53 to 70 GFLOP/s for 16
to 32 rows and 85 for 64. Here the block of results that is being summed stays in registers, the
matrix is read in place, or through a small panel where its rows are far apart or it is transposed:
90 to 110 GFLOP/s for the same, and as much as OpenBLAS for large ones. It needs no library, starts
no threads, and sums in one fixed order.

``fastlm_kernels.linalg.dense`` has the inside, and ``fastlm_kernels.linalg.sparse`` what is done
where most of a matrix is zero. With JIT off a NumPy twin does the same sums.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np

from fastlm_kernels.linalg.call import PRODUCT, call_product
from fastlm_kernels.linalg.dense import PACK_SIZE
from fastlm_kernels.linalg.sparse import (
    BEHIND_RELU,
    GRADIENT,
    LISTED_ROWS,
    LISTS,
    MULTIPLY,
    any_product,
)
from fastlm_kernels.runtime.alignment import aligned_empty
from fastlm_kernels.runtime.jit import JIT_DISABLED, callback, inner_kernel, shared_kernel

F = np.float32


class Workspace(NamedTuple):
    """What a thread needs to multiply: scratch of its own, and where the product is.

    pack : float32[PACK_SIZE + LISTS], lists : int32[LISTS + LISTED_ROWS + 1]
    """

    pack: np.ndarray
    lists: np.ndarray
    address: int


def _workspace(pack, lists, address):
    return Workspace(aligned_empty(pack, np.float32), aligned_empty(lists, np.int32), address)


# For calls that multiply nothing.
NO_WORKSPACE = _workspace(0, 0, 0)


def new_workspace() -> Workspace:
    """A Workspace for one thread; compiles the product at its first call."""
    return _workspace(PACK_SIZE + LISTS, LISTS + LISTED_ROWS + 1, _address())


if JIT_DISABLED:

    def _address():
        return 0

    def gemm(
        c, c0, ldc, a, a0, a_row, a_column, b, b0, ldb, transpose_b, m, n, k, alpha, beta, workspace
    ):  # the contract stands at the compiled twin below
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

    def gemm_behind_relu(c, c0, ldc, h, h0, a, a0, a_row, b, b0, ldb, m, n, k, beta, workspace):
        gemm(c, c0, ldc, a, a0, a_row, 1, b, b0, ldb, True, m, n, k, 1.0, beta, workspace)

else:

    @cache
    def _compiled():  # kept: its code lives as long as this object
        return callback(any_product, PRODUCT)

    def _address():
        return _compiled().address

    @shared_kernel
    def gemm(
        c, c0, ldc, a, a0, a_row, a_column, b, b0, ldb, transpose_b, m, n, k, alpha, beta, workspace
    ):
        """C = alpha * A @ op(B) + beta * C inside flat arrays.

        c : float32[...], C is [m, n] at offset c0 with rows ldc apart; changed in place. With
            beta = 0 it is not read: it may hold anything, NaN included
        a : float32[...], A[i, s] at a0 + i * a_row + s * a_column, one of which is 1: transposed by
            its strides
        b : float32[...], op(B) is [k, n]: stored so with rows ldb apart, or [n, k] if transpose_b
        workspace : Workspace of this thread
        Each result is a sum over s = 0 .. k - 1 in this order, in PANEL_ROWS long stretches. Where
        A is mostly zero those terms are left out.
        """
        call_product(
            workspace.address,
            (c, c0, ldc, a, a0, a_row, a_column, b, b0, ldb, np.int64(transpose_b),
             m, n, k, F(alpha), F(beta), c, c0, np.int64(MULTIPLY),
             workspace.pack, workspace.lists),
        )  # fmt: skip

    @inner_kernel
    def gemm_gradient(
        c, c0, ldc, a, a0, a_row, a_column, b, b0, ldb, m, n, k, alpha, beta, workspace
    ):
        """C = alpha * A @ B + beta * C as ``gemm`` does it, where A or B may be mostly zero."""
        call_product(
            workspace.address,
            (c, c0, ldc, a, a0, a_row, a_column, b, b0, ldb, np.int64(0),
             m, n, k, F(alpha), F(beta), c, c0, np.int64(GRADIENT),
             workspace.pack, workspace.lists),
        )  # fmt: skip

    @inner_kernel
    def gemm_behind_relu(c, c0, ldc, h, h0, a, a0, a_row, b, b0, ldb, m, n, k, beta, workspace):
        """C = A @ B^T + beta * C, needed only where h is not zero: elsewhere C may hold anything.

        h : float32[...], lies like C, from h0 on
        The others are as for ``gemm``, B [n, k] transposed. Where h is mostly zero only those
        products are computed, and the order of their sums is another.
        """
        call_product(
            workspace.address,
            (c, c0, ldc, a, a0, a_row, np.int64(1), b, b0, ldb, np.int64(1),
             m, n, k, F(1), F(beta), h, h0, np.int64(BEHIND_RELU), workspace.pack, workspace.lists),
        )  # fmt: skip
