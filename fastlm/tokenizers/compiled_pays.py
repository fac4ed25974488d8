"""Is this text long enough for compiled kernels?"""

from __future__ import annotations

import sys

__all__ = ["compiled_pays", "compiled_pays_beside_numpy", "kernels_loaded"]

READY_FROM = 2 << 20
"""Bytes from which on kernels pay that are compiled already. Loading them and making their tables
takes 0.1 s, and 0.35 s where nothing else needs Numba; Python takes 0.12 s to count and encode a
MB of words, the kernels 0.02."""

COMPILED_FROM = 1 << 24
"""Bytes from which on it pays to compile them first: 3 s for words, 1 s for characters."""

BESIDE_NUMPY_FROM = 400 << 20
"""The same for characters as they are: NumPy takes 4.6 ns to count and encode one, kernels 2.2, and
half a second to load with Numba."""


def compiled_pays(size: int) -> bool:
    """Whether a text of so many bytes is sooner done by compiled kernels."""
    if size < min(READY_FROM, COMPILED_FROM):
        return False
    from fastlm.tokenizers.compiled_blocks import kernels_ready
    from fastlm_kernels.jit import JIT_DISABLED

    if JIT_DISABLED:
        return False
    return size >= (READY_FROM if kernels_ready() else COMPILED_FROM)


def compiled_pays_beside_numpy(size: int) -> bool:
    """The same where NumPy does it with tables."""
    return kernels_loaded() or (size >= BESIDE_NUMPY_FROM and compiled_pays(size))


def kernels_loaded() -> bool:
    """Whether compiled kernels for text are there, so that using one more costs nothing."""
    if "fastlm.tokenizers.compiled_blocks" not in sys.modules:
        return False
    from fastlm_kernels.jit import JIT_DISABLED

    return not JIT_DISABLED
