"""Random numbers as functions of (seed, purpose, counters): no state, no order, no threads.

Counter-based as in Salmon et al. 2011 ("Parallel random numbers: as easy as 1, 2, 3"), with
cheaper mixers. ``mix64`` is the finaliser of SplitMix64 (Steele, Lea, Flood 2014). ``lowbias32`` is
a 32-bit mixer of the same kind with constants found by search (C. Wellons, "hash-prospector"); it
vectorises. All arithmetic is unsigned and wraps around.
"""

from __future__ import annotations

import numpy as np

from fastlm_kernels.runtime.jit import inner_kernel, shared_kernel

U32 = np.uint32
U64 = np.uint64

PURPOSE_ORDER = U64(1)
PURPOSE_DROPOUT = U64(2)
PURPOSE_SAMPLING = U64(3)

_GOLDEN64 = U64(0x9E3779B97F4A7C15)
_GOLDEN32 = U32(0x9E3779B9)
_MIX_1 = U64(0xBF58476D1CE4E5B9)
_MIX_2 = U64(0x94D049BB133111EB)
_ODD_0 = U64(0xD6E8FEB86659FD93)
_ODD_1 = U64(0xA0761D6478BD642F)
_ODD_2 = U64(0xE7037ED1A0B428DB)
_ODD_3 = U64(0x8EBC6AF09C88C6E3)


@shared_kernel
def mix64(x):
    """Mix a uint64: a bijection (SplitMix64's finaliser)."""
    x ^= x >> U64(30)
    x *= _MIX_1
    x ^= x >> U64(27)
    x *= _MIX_2
    return x ^ (x >> U64(31))


@shared_kernel
def absorb(h, word):
    """Extend the uint64 hash ``h`` by one more uint64 word."""
    return mix64((h ^ word) + _GOLDEN64)


@shared_kernel
def key(seed, purpose, a, b):
    """Return the uint64 key of the stream (seed, purpose, a, b), all uint64."""
    return absorb(absorb(absorb(absorb(U64(0), seed), purpose), a), b)


@shared_kernel
def lowbias32(x):
    """Mix a uint32: a bijection of low bias."""
    x = U32(x ^ (x >> U32(16)))
    x = U32(x * U32(0x7FEB352D))
    x = U32(x ^ (x >> U32(15)))
    x = U32(x * U32(0x846CA68B))
    return U32(x ^ (x >> U32(16)))


@shared_kernel
def column_hash(row_key, column):
    """Return the uniform uint32 of ``column`` in the row with the uint32 ``row_key``."""
    return lowbias32(U32(row_key + U32(U32(column) * _GOLDEN32)))


@shared_kernel
def order_key(seed, epoch, part):
    """Return the uint64 key of an epoch's order: of examples or blocks (part 0), or of a window."""
    return key(U64(seed), PURPOSE_ORDER, U64(epoch), U64(part))


@inner_kernel
def _round(x, k, odd, mask, shift):
    x = (x + ((k * odd) >> U64(17))) & mask
    x = (x * odd) & mask
    return x ^ (x >> shift)


@shared_kernel
def permute(i, n, k):
    """Return the image of i under the pseudo-random permutation of range(n) with the uint64 key k.

    Four rounds of add, odd multiply and xor-shift are a bijection on the next power of two. Cycle
    walking, fewer than two tries on average, makes it one of range(n) (Black, Rogaway 2002).
    """
    if n <= 1:
        return np.int64(0)
    last = U64(n - 1)
    bits = U64(0)
    while (last >> bits) != U64(0):
        bits += U64(1)
    mask = (U64(1) << bits) - U64(1)
    shift = (bits + U64(1)) >> U64(1)
    x = U64(i)
    while True:
        x = _round(x, k, _ODD_0, mask, shift)
        x = _round(x, k, _ODD_1, mask, shift)
        x = _round(x, k, _ODD_2, mask, shift)
        x = _round(x, k, _ODD_3, mask, shift)
        if x <= last:
            return np.int64(x)
