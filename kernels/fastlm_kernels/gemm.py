"""Matrix product inside kernels: C = alpha * A @ B + beta * C in float32.

BLAS libraries are made for large matrices; a small language model multiplies a few dozen rows with
a matrix that is already in the cache, over and over. OpenBLAS copies that matrix into its own order
on every call: on an AVX-512 machine (105 GFLOP/s a core at best) it ran at 53 to 70 GFLOP/s for 16
to 32 rows and 85 for 64. Here the block of results that is being summed stays in registers, the
matrix is read in place, or transposed through a small panel: 90 to 110 GFLOP/s for the same, and as
much as OpenBLAS for large ones. It needs no library, starts no threads, and sums in one fixed
order.

``fastlm_kernels.dense_product`` has the inside. Other kernels call the product through its address:
compiled into each of them it took six seconds more to compile. With JIT off a NumPy twin does the
same sums.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numba import cfunc, types
from numba.extending import intrinsic

from fastlm_kernels.dense_product import PACK_SIZE, product
from fastlm_kernels.jit import FAST_MATH, JIT_DISABLED, shared_kernel

F = np.float32


class Workspace(NamedTuple):
    """What a thread needs to multiply: float32 scratch of its own, and where the product is."""

    pack: np.ndarray
    address: int


# For calls that multiply nothing.
NO_WORKSPACE = Workspace(np.empty(0, dtype=np.float32), 0)


def new_workspace() -> Workspace:
    """A Workspace for one thread; compiles the product at its first call."""
    return Workspace(np.empty(PACK_SIZE, dtype=np.float32), _product_address())


if JIT_DISABLED:

    def _product_address():
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

else:
    from llvmlite import ir

    _POINTER = types.CPointer(types.float32)
    _INT = types.int64
    _SIGNATURE = types.void(
        _POINTER, _INT, _INT,
        _POINTER, _INT, _INT, _INT,
        _POINTER, _INT, _INT, _INT,
        _INT, _INT, _INT, types.float32, types.float32,
        _POINTER,
    )  # fmt: skip

    @cache
    def _compiled_product():  # kept: its code lives as long as this object
        return cfunc(_SIGNATURE, cache=True, error_model="numpy", fastmath=FAST_MATH)(product)

    def _product_address():
        return _compiled_product().address

    @intrinsic
    def _call(
        typing_context, address,
        c, c0, ldc, a, a0, a_row, a_column, b, b0, ldb, transpose_b, m, n, k, alpha, beta, pack,
    ):  # fmt: skip
        """Call the product at ``address``: arrays as pointers, the rest as it is."""
        wanted = [
            array if isinstance(kind, types.CPointer) else kind
            for array, kind in zip(
                (c, c0, ldc, a, a0, a_row, a_column, b, b0, ldb, transpose_b, m, n, k,
                 alpha, beta, pack),
                _SIGNATURE.args,
                strict=True,
            )
        ]  # fmt: skip

        def codegen(context, builder, signature, arguments):
            values = [
                context.make_array(kind)(context, builder, value).data
                if isinstance(kind, types.Array)
                else value
                for kind, value in zip(signature.args[1:], arguments[1:], strict=True)
            ]
            function = ir.FunctionType(ir.VoidType(), [value.type for value in values])
            builder.call(builder.inttoptr(arguments[0], function.as_pointer()), values)
            return context.get_dummy_value()

        return types.void(address, *wanted), codegen

    @shared_kernel
    def gemm(
        c, c0, ldc, a, a0, a_row, a_column, b, b0, ldb, transpose_b, m, n, k, alpha, beta, workspace
    ):
        """C = alpha * A @ op(B) + beta * C inside flat arrays.

        c : float32[...], C is [m, n] at offset c0 with rows ldc apart; changed in place. With
            beta = 0 it is not read: it may hold anything, NaN included
        a : float32[...], A[i, s] at a0 + i * a_row + s * a_column: transposed by its strides
        b : float32[...], op(B) is [k, n]: stored so with rows ldb apart, or [n, k] if transpose_b
        workspace : Workspace of this thread
        Each result is a sum over s = 0 .. k - 1 in this order, in PANEL_ROWS long stretches.
        """
        _call(
            workspace.address,
            c, c0, ldc, a, a0, a_row, a_column, b, b0, ldb, np.int64(transpose_b),
            m, n, k, F(alpha), F(beta), workspace.pack,
        )  # fmt: skip
