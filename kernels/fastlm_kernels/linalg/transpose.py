"""Matrix transpose inside flat arrays, in squares that stay in registers."""

from __future__ import annotations

import numpy as np

from fastlm_kernels.linalg.simd import LANES, transpose_square
from fastlm_kernels.runtime.jit import JIT_DISABLED, inner_kernel, never_inline, noinline_kernel

if JIT_DISABLED:

    def transpose(out, out0, ldo, x, x0, ldx, rows, columns):  # documented below
        for i in range(rows):
            row = x[x0 + i * ldx : x0 + i * ldx + columns]
            out[out0 + i : out0 + i + (columns - 1) * ldo + 1 : ldo] = row

else:

    @noinline_kernel
    def transpose(out, out0, ldo, x, x0, ldx, rows, columns):
        """out[out0 + j * ldo + i] = x[x0 + i * ldx + j] for i < rows, j < columns."""
        never_inline()
        transpose_here(out, out0, ldo, x, x0, ldx, rows, columns)


@inner_kernel
def transpose_here(out, out0, ldo, x, x0, ldx, rows, columns):
    """Do the same inlined, for an ``ldo`` that the compiler knows.

    The last squares end with the matrix and overlap those before where its size is no multiple of
    theirs (24 x 256: 2 microseconds; 7 when the last 8 rows went one by one).
    """
    if rows < LANES or columns < LANES:
        for i in range(rows):
            source = x[x0 + i * ldx : x0 + i * ldx + columns]
            for j in range(columns):
                out[out0 + j * ldo + i] = source[j]
        return
    for row in range(0, rows, LANES):
        i = min(np.int64(row), rows - LANES)
        for column in range(0, columns, LANES):
            j = min(np.int64(column), columns - LANES)
            transpose_square(out, out0 + j * ldo + i, ldo, x, x0 + i * ldx + j, ldx)
