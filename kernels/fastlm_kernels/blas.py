"""Single-precision matrix product inside kernels: SciPy's BLAS, called without Python.

``sgemm`` goes through the function table that SciPy exports for Cython, under a symbol name, so
that compiled kernels can be cached on disk (a raw pointer could not). With JIT off a NumPy twin
does the same sums.
"""

import numpy as np
from numba import types
from numba.core import cgutils
from numba.extending import get_cython_function_address, intrinsic

from fastlm_kernels.jit import JIT_DISABLED, kernel

_SYMBOL = "fastlm_sgemm"

if JIT_DISABLED:

    def sgemm(
        c, c0, ldc, a, a0, lda, b, b0, ldb, m, n, k, transpose_a, transpose_b, alpha, beta
    ):  # the contract stands at the compiled twin below
        product = _matrix(a, a0, lda, m, k, transpose_a) @ _matrix(b, b0, ldb, k, n, transpose_b)
        out = _matrix(c, c0, ldc, m, n, False)
        # As in BLAS, beta = 0 does not read C: it may hold anything, NaN included.
        out[:] = np.float32(alpha) * product + (np.float32(beta) * out if beta != 0 else 0)

    def _matrix(flat, offset, leading, rows, columns, transposed):
        if transposed:
            rows, columns = columns, rows
        if rows and columns:
            flat[offset + (rows - 1) * leading + columns - 1]  # an IndexError beats a wild read
        step = flat.itemsize
        view = np.lib.stride_tricks.as_strided(
            flat[offset:], (rows, columns), (leading * step, step)
        )
        return view.T if transposed else view

else:
    from llvmlite import binding, ir

    binding.add_symbol(_SYMBOL, get_cython_function_address("scipy.linalg.cython_blas", "sgemm"))
    _sgemm = types.ExternalFunction(_SYMBOL, types.void(*([types.voidptr] * 13)))
    _NO = np.uint8(ord("N"))
    _YES = np.uint8(ord("T"))

    @intrinsic
    def _scalar(typing_context, value):
        """Address of a copy of ``value``: Fortran takes every argument by reference."""

        def codegen(context, builder, signature, arguments):
            slot = cgutils.alloca_once_value(builder, arguments[0])
            return builder.bitcast(slot, ir.IntType(8).as_pointer())

        return types.voidptr(value), codegen

    @intrinsic
    def _element(typing_context, array, index):
        """Address of ``array[index]``."""

        def codegen(context, builder, signature, arguments):
            data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
            return builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(8).as_pointer())

        return types.voidptr(array, types.intp), codegen

    @kernel
    def sgemm(c, c0, ldc, a, a0, lda, b, b0, ldb, m, n, k, transpose_a, transpose_b, alpha, beta):
        """C = alpha * op(A) @ op(B) + beta * C, all row-major inside flat arrays.

        c : float32[...], C is [m, n] at offset c0 with rows ldc apart; changed in place
        a : float32[...], op(A) is [m, k]; stored [k, m] if transpose_a
        b : float32[...], op(B) is [k, n]; stored [n, k] if transpose_b
        """
        # BLAS is column-major: it computes C^T = op(B)^T @ op(A)^T on the same memory.
        _sgemm(
            _scalar(_YES if transpose_b else _NO),
            _scalar(_YES if transpose_a else _NO),
            _scalar(np.int32(n)),
            _scalar(np.int32(m)),
            _scalar(np.int32(k)),
            _scalar(np.float32(alpha)),
            _element(b, b0),
            _scalar(np.int32(ldb)),
            _element(a, a0),
            _scalar(np.int32(lda)),
            _scalar(np.float32(beta)),
            _element(c, c0),
            _scalar(np.int32(ldc)),
        )
