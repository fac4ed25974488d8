"""Is this text long enough for compiled kernels?"""

from __future__ import annotations

__all__ = ["compiled_pays"]

READY_FROM = 1 << 20
"""Bytes from which on kernels pay that are compiled already: loading them and making their tables
takes some 100 ms, in which Python cuts 1 to 2 MB into words."""

COMPILED_FROM = 1 << 24
"""Bytes from which on it pays to compile them: that takes 1.5 s for words, in which Python cuts
some 20 MB."""


def compiled_pays(size: int) -> bool:
    """Whether a text of so many bytes is sooner done by compiled kernels."""
    if size < min(READY_FROM, COMPILED_FROM):
        return False
    from fastlm.tokenizers.compiled_blocks import kernels_ready
    from fastlm_kernels.jit import JIT_DISABLED

    if JIT_DISABLED:
        return False
    return size >= (READY_FROM if kernels_ready() else COMPILED_FROM)
