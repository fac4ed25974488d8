"""The transpose of a matrix inside flat arrays."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from fastlm_kernels.linalg.transpose import transpose
from tests.kernels.linalg.test_gemm import FENCE, block, flat_with


@njit
def transposed(out, out0, ldo, x, x0, ldx, rows, columns):
    transpose(out, out0, ldo, x, x0, ldx, rows, columns)


sizes = st.integers(1, 70)
pads = st.tuples(st.integers(0, 3), st.integers(0, 3))


@given(sizes, sizes, pads, pads)
@settings(deadline=None)
def test_every_element_goes_to_its_place_and_nowhere_else(rows, columns, offsets, pads):
    x = np.arange(rows * columns, dtype=np.float32).reshape(rows, columns)
    flat, ldx = flat_with(x, offsets[0], pads[0])
    out, ldo = flat_with(np.zeros((columns, rows), np.float32), offsets[1], pads[1])
    before = flat.tobytes()
    transposed(out, offsets[1], ldo, flat, offsets[0], ldx, rows, columns)
    result = block(out, offsets[1], ldo, columns, rows)
    np.testing.assert_array_equal(result, x.T)
    result[...] = FENCE
    assert np.all(out == FENCE)
    assert flat.tobytes() == before
