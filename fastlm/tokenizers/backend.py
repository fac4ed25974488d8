"""The choice between Python, NumPy and compiled kernels, by the size of the text."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.text.documents import is_one_document

__all__ = [
    "compiled_pays",
    "compiled_pays_by_now",
    "compiled_pays_for",
    "count_ids",
    "kernels_loaded",
]

READY_FROM = 2 << 20
"""Bytes from which kernels pay that are compiled already. Loading them takes 0.1 s, and 0.35 s
with Numba; a megabyte of words takes 0.12 s in Python and 0.02 s in kernels."""

COMPILED_FROM = 1 << 24
"""Bytes from which kernels pay that must be compiled first: 3 s for words, 1 s for characters."""

NUMPY_UP_TO = {"char": 50 << 20, "byte": 400 << 20}
"""Bytes up to which NumPy beats kernels that are not loaded. To count and encode 90 MB takes it
1.1 s of processor time for characters and 0.55 s for bytes, kernels 0.7 and 0.45 s."""


def compiled_pays(size: int) -> bool:
    """Tell whether compiled kernels are the faster way for a text of this many bytes."""
    if size < min(READY_FROM, COMPILED_FROM):
        return False
    from fastlm.tokenizers.compiled import kernels_ready
    from fastlm_kernels.runtime.jit import JIT_DISABLED

    return not JIT_DISABLED and size >= (READY_FROM if kernels_ready() else COMPILED_FROM)


_bytes_so_far = 0


def compiled_pays_by_now(size: int) -> bool:
    """Tell the same for one of many small texts: whether all that came so far would have paid."""
    global _bytes_so_far
    if kernels_loaded():
        return True
    _bytes_so_far += size
    return compiled_pays(_bytes_so_far)


def compiled_pays_beside_numpy(kind: str, size: int) -> bool:
    """Tell the same for a kind of tokenizer that works with NumPy, too."""
    return kernels_loaded() or (size >= NUMPY_UP_TO[kind] and compiled_pays(size))


def kernels_loaded() -> bool:
    """Tell whether the kernels for text are loaded, so that using one more costs nothing."""
    if "fastlm.tokenizers.compiled" not in sys.modules:
        return False
    from fastlm_kernels.runtime.jit import JIT_DISABLED

    return not JIT_DISABLED


def compiled_pays_for(kind: str, lowercase: bool, documents: str) -> Callable[[int], bool]:
    """Return the function of a size in bytes that tells whether kernels pay for a tokenizer."""
    if kind in NUMPY_UP_TO and not lowercase and is_one_document(documents):
        return partial(compiled_pays_beside_numpy, kind)
    return compiled_pays


def count_ids(counts: NDArray[np.int64], ids: NDArray[Any]) -> None:
    """Add to counts[V] how often each id, uint16[T] or uint32[T] below V, occurs."""
    if kernels_loaded():
        from fastlm.tokenizers import compiled

        compiled.count_ids(counts, ids)
    else:
        counts += np.bincount(ids, minlength=counts.size)
