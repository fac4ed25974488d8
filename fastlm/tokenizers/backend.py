"""Is this text long enough for compiled kernels?"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

__all__ = ["compiled_pays", "compiled_pays_for"]

READY_FROM = 2 << 20
"""Bytes from which on kernels pay that are compiled already. Loading them and making their tables
takes 0.1 s, and 0.35 s where nothing else needs Numba; Python takes 0.12 s to count and encode a
MB of words, the kernels 0.02."""


COMPILED_FROM = 1 << 24
"""Bytes from which on it pays to compile them first: 3 s for words, 1 s for characters."""


NUMPY_UP_TO = {"char": 50 << 20, "byte": 400 << 20}
"""Characters and bytes as they are have tables in NumPy, too: with it 90 MB take 1.1 s of processor
time to count and encode and 0.55 s, with kernels 0.7 and 0.45, and half a second to load them."""


def compiled_pays(size: int) -> bool:
    """Whether a text of so many bytes is sooner done by compiled kernels."""
    if size < min(READY_FROM, COMPILED_FROM):
        return False
    from fastlm.tokenizers.compiled import kernels_ready
    from fastlm_kernels.runtime.jit import JIT_DISABLED

    if JIT_DISABLED:
        return False
    return size >= (READY_FROM if kernels_ready() else COMPILED_FROM)


def compiled_pays_beside_numpy(kind: str, size: int) -> bool:
    """The same for a kind of tokenizer that has tables in NumPy."""
    return kernels_loaded() or (size >= NUMPY_UP_TO[kind] and compiled_pays(size))


def kernels_loaded() -> bool:
    """Whether compiled kernels for text are there, so that using one more costs nothing."""
    if "fastlm.tokenizers.compiled" not in sys.modules:
        return False
    from fastlm_kernels.runtime.jit import JIT_DISABLED

    return not JIT_DISABLED


def compiled_pays_for(kind: str, lowercase: bool, documents: str) -> Callable[[int], bool]:
    """The function of a size in bytes that says whether kernels pay for a tokenizer like this."""
    if kind in NUMPY_UP_TO and not lowercase and documents == "file":
        return partial(compiled_pays_beside_numpy, kind)
    return compiled_pays
