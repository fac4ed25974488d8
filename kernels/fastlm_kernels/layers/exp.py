"""The exponential in float32, as a polynomial that LLVM can vectorise."""

from __future__ import annotations

import numpy as np
from numba import types
from numba.extending import intrinsic

from fastlm_kernels.runtime.jit import JIT_DISABLED, shared_kernel

F = np.float32


if JIT_DISABLED:

    def float_from_bits(bits):
        return np.int32(bits).view(np.float32)

    def bits_from_float(value):
        return np.float32(value).view(np.int32)

else:
    from llvmlite import ir

    @intrinsic
    def float_from_bits(typing_context, bits):
        """Return the float32 whose bit pattern is the int32 ``bits``."""

        def codegen(context, builder, signature, arguments):
            return builder.bitcast(arguments[0], ir.FloatType())

        return types.float32(types.int32), codegen

    @intrinsic
    def bits_from_float(typing_context, value):
        """Return the bit pattern of a float32, as int32."""

        def codegen(context, builder, signature, arguments):
            return builder.bitcast(arguments[0], ir.IntType(32))

        return types.int32(types.float32), codegen


@shared_kernel
def exp32(x):
    """Return e^x in float32 for x <= 0, with a relative error below 3e-7; NaN stays NaN.

    exp(x) = 2^k * exp(r), r = x - k ln 2 in [-ln 2 / 2, ln 2 / 2], ln 2 split in two so that r is
    exact, exp(r) by the minimax polynomial of degree 7 of the Cephes library (S. Moshier). Below
    -87 the result is 1.6e-38. Without calls and branches a loop over it becomes vector code; Numba
    from PyPI has no vector math library.
    """
    x = x if not x < F(-87.0) else F(-87.0)  # written so that NaN passes
    k = np.floor(x * F(1.44269504088896341) + F(0.5))
    r = x - k * F(0.693359375)
    r = r - k * F(-2.12194440e-4)
    p = F(1.9875691500e-4)
    p = p * r + F(1.3981999507e-3)
    p = p * r + F(8.3334519073e-3)
    p = p * r + F(4.1665795894e-2)
    p = p * r + F(1.6666665459e-1)
    p = p * r + F(5.0000001201e-1)
    y = p * r * r + r + F(1.0)
    return y * float_from_bits(np.int32((np.int32(k) + np.int32(127)) << np.int32(23)))
