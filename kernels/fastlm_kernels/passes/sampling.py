"""Sampling: the choice of a token from logits, by temperature, top-k and top-p.

Top-k: Fan et al. 2018; top-p: Holtzman et al. 2020, in this order. The tokens that top-k and
top-p keep are found without sorting: logits are mapped to integers in the same order, and bisection
finds the smallest that stays. Each round sums the row in whole vectors.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastlm_kernels.layers.exp import bits_from_float, exp32, float_from_bits
from fastlm_kernels.layers.softmax import ordered_bits, row_max
from fastlm_kernels.runtime.jit import inner_kernel, shared_kernel
from fastlm_kernels.runtime.random import PURPOSE_SAMPLING, U64, absorb, key

F = np.float32

_BLOCK = 64  # weights summed at once, so that a draw need not walk over a whole vocabulary

_MINUS_ZERO = np.int32(-2147483648)  # bit pattern of -0.0, and the smallest key of any float

# Rounds of the bisection that halve the range of values, which are spread more evenly than the
# integers; then it halves that of the integers, which takes at most 32 rounds.
_VALUE_ROUNDS = 12

_MIN_EXPONENT = F(-87.0)  # below it ``exp32`` does not reach zero


class Rules(NamedTuple):
    """How a token is chosen.

    sharpness : 1 / temperature
    greedy : 1: the largest logit is chosen, and the rest has no effect
    top_k : keep this many tokens; V or more: all
    top_p : keep the most likely tokens of this total probability; 1: all
    """

    sharpness: float
    greedy: int
    top_k: int
    top_p: float


class ChoiceScratch(NamedTuple):
    """Memory of a thread.

    weights, masses : float32[V]
    sums : float64[block_count(V)]
    """

    weights: np.ndarray
    masses: np.ndarray
    sums: np.ndarray


def block_count(vocab: int) -> int:
    """Return the size of ``ChoiceScratch.sums``."""
    return -(-vocab // _BLOCK)


@shared_kernel
def sampling_uniform(seed, stream, counter):
    """Return random number ``counter`` of text ``stream`` of a seed: float64 in [0, 1), 53 bits."""
    bits = absorb(key(U64(seed), PURPOSE_SAMPLING, U64(stream), U64(0)), U64(counter))
    return np.float64(bits >> U64(11)) * 1.1102230246251565e-16  # 2^-53


@shared_kernel
def choose(z, scratch, uniform, rules):
    """Return the chosen id: the first whose cumulative probability exceeds ``uniform``.

    z : float32[V], logits, none NaN; -inf for excluded ids, but not for all
    scratch : ChoiceScratch of this thread
    uniform : float64, 0 <= uniform < 1
    rules : Rules
    """
    top = row_max(z)
    if rules.greedy != 0:
        for j in range(z.size):
            if z[j] == top:
                return j
    weights = scratch.weights
    sharpness = F(rules.sharpness)
    for j in range(z.size):
        x = (z[j] - top) * sharpness
        # Zero also where -inf times a sharpness of zero made x NaN.
        weights[j] = exp32(x) if x >= _MIN_EXPONENT else F(0)
    total = 0.0
    for cut in range(2):  # one loop: the code of each step is compiled once
        need = np.float64(rules.top_k) if cut == 0 else rules.top_p * total
        if rules.top_k < z.size if cut == 0 else rules.top_p < 1.0:
            masses = scratch.masses if cut == 0 else weights
            if cut == 0:
                for j in range(z.size):
                    masses[j] = F(1)
            keep_largest(weights, masses, z, top, need)
        total = sum_blocks(weights, scratch.sums)
    return draw(weights, scratch.sums, uniform * total)


@inner_kernel
def logit_key(value):
    """Return an int32 key in the order of the float32 values; both zeros have the same."""
    bits = bits_from_float(value)
    return ordered_bits(np.int32(0) if bits == _MINUS_ZERO else bits)


@inner_kernel
def keep_largest(weights, masses, z, top, need):
    """Zero all weights but those of the fewest largest z whose masses add up to ``need``.

    Of equal z the lower ids stay.

    masses : float32[V], may be the weights
    top : the largest z
    """
    # The largest key such that it and those above it have the mass. Both ends are keys of the row
    # and move to the next one that is left, so that there are about as many rounds as halvings.
    low = least_from(z, np.int32(_MINUS_ZERO))
    high = np.int64(logit_key(top))
    rounds = 0
    while low < high:
        if rounds < _VALUE_ROUNDS:
            value = F(0.5) * key_value(low) + F(0.5) * key_value(high)
            middle = min(max(np.int64(logit_key(value)), low + 1), high)
        else:
            middle = (low + high + 1) >> 1
        if mass_from(masses, z, np.int32(middle)) >= need:
            low = least_from(z, np.int32(middle))
        else:
            high = largest_below(z, np.int32(middle))
        rounds += 1
    last = np.int32(low)
    rest = need - mass_from(masses, z, np.int32(low + 1))
    for j in range(z.size):
        key = logit_key(z[j])
        if key < last:
            weights[j] = F(0)
        elif key == last:
            mass = masses[j]
            if rest <= 0.0:
                weights[j] = F(0)
            rest -= mass


@inner_kernel
def key_value(key):
    """Return the float32 of a key."""
    return float_from_bits(ordered_bits(np.int32(key)))


@inner_kernel
def least_from(z, key):
    """Return the least key of the row that is at least ``key``; there must be one.

    It is at the least distance modulo 2^32, where smaller keys are farther than all larger ones.
    """
    least = np.uint32(0xFFFFFFFF)
    for j in range(z.size):
        least = min(least, distance(key, logit_key(z[j])))
    return np.int64(key) + np.int64(least)


@inner_kernel
def largest_below(z, key):
    """Return the largest key of the row below ``key``; there must be one."""
    before = np.int32(np.int64(key) - 1)
    least = np.uint32(0xFFFFFFFF)
    for j in range(z.size):
        least = min(least, distance(logit_key(z[j]), before))
    return np.int64(key) - np.int64(1) - np.int64(least)


@inner_kernel
def distance(low, high):
    """Return high - low modulo 2^32, as uint32."""
    return np.uint32((np.int64(high) - np.int64(low)) & np.int64(0xFFFFFFFF))


@inner_kernel
def mass_from(masses, z, key):
    """Return the sum of the masses of the z with at least this key."""
    total = 0.0
    for j in range(z.size):
        total += masses[j] if logit_key(z[j]) >= key else F(0)
    return total


@inner_kernel
def sum_blocks(weights, sums):
    """Return the sum of all weights; leave those of the blocks in ``sums``."""
    total = 0.0
    for block in range((weights.size + _BLOCK - 1) // _BLOCK):
        part = 0.0
        some = weights[block * _BLOCK : (block + 1) * _BLOCK]
        for j in range(some.size):
            part += some[j]
        sums[block] = part
        total += part
    return total


@inner_kernel
def draw(weights, sums, rest):
    """Return the first id at which the cumulative weight exceeds ``rest``."""
    block = 0
    blocks = (weights.size + _BLOCK - 1) // _BLOCK
    while block + 1 < blocks and sums[block] <= rest:
        rest -= sums[block]
        block += 1
    last = -1
    for j in range(block * _BLOCK, weights.size):
        if weights[j] > F(0):
            last = j
            rest -= weights[j]
            if rest < 0.0:
                return j
    # Sums in another order differ in their last bits, so the end may come early.
    if last < 0:
        last = block * _BLOCK
        while weights[last] <= F(0):
            last -= 1
    return last
