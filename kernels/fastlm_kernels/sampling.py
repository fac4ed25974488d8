"""Which token comes next: a uniform random number, and a choice among logits by it.

What top_k and top_p keep is found without sorting: the logits' bit patterns, as integers in the
same order, are searched eight bits at a time for the smallest one that stays. That reads the row
four times, whatever is kept.
"""

from typing import NamedTuple

import numpy as np

from fastlm_kernels.exponential import bits_from_float, exp32
from fastlm_kernels.hashing import PURPOSE_SAMPLING, U64, absorb, key
from fastlm_kernels.jit import inner_kernel, shared_kernel
from fastlm_kernels.softmax import flip, row_max

F = np.float32

# Values of eight bits of a logit.
_DIGITS = 256

# Weights that are summed at once, so that a draw need not walk over a whole vocabulary.
_BLOCK = 64

# Below it exp32 is only like zero.
_LEAST = F(-87.0)


class Rules(NamedTuple):
    """How a token is chosen (see ``fastlm.sampling.Sampling``).

    sharpness : 1 / temperature
    greedy : 1: the largest logit; the rest has no effect
    top_k : V or more: all; top_p : 1: all
    """

    sharpness: float
    greedy: int
    top_k: int
    top_p: float


class ChoiceScratch(NamedTuple):
    """weights : float32[V]; sums : float64[sum_places(V)]"""

    weights: np.ndarray
    sums: np.ndarray


def sum_places(vocab: int) -> int:
    """The size of ``ChoiceScratch.sums``."""
    return max(_DIGITS, -(-vocab // _BLOCK))


@shared_kernel
def sampling_uniform(seed, stream, counter):
    """float64, 0 <= u < 1, 53 bits: random number ``counter`` of text ``stream`` of a seed."""
    bits = absorb(key(U64(seed), PURPOSE_SAMPLING, U64(stream), U64(0)), U64(counter))
    return np.float64(bits >> U64(11)) * 1.1102230246251565e-16  # 2^-53


@shared_kernel
def choose(z, scratch, uniform, rules):
    """The chosen id.

    z : float32[V], logits, -inf for what is excluded; not all of them, and none NaN
    scratch : ChoiceScratch of this thread
    uniform : float64, 0 <= uniform < 1; the id is the first whose cumulative share is above it
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
        # Also where -inf times a sharpness of zero made it NaN.
        weights[j] = exp32(x) if x >= _LEAST else F(0)
    total = 0.0
    for cut in range(2):  # one loop: the code of each step is compiled once
        need = np.float64(rules.top_k) if cut == 0 else rules.top_p * total
        if rules.top_k < z.size if cut == 0 else rules.top_p < 1.0:
            keep_largest(weights, scratch.sums, z, need, cut == 0)
        total = sum_blocks(weights, scratch.sums)
    return draw(weights, scratch.sums, uniform * total)


@inner_kernel
def order_key(value):
    """0 to 2^32 - 1: in the order of the float32 values; both zeros have the same."""
    bits = bits_from_float(value)
    if bits == np.int32(-2147483648):
        bits = np.int32(0)
    return np.int64(flip(bits)) + np.int64(2147483648)


@inner_kernel
def keep_largest(weights, sums, z, need, counts):
    """Zero all weights but those of the fewest largest z whose masses add up to ``need``.

    A mass is a weight or, if ``counts``, 1. Of equal z the lower ids stay.
    """
    prefix = np.int64(0)
    shift = np.int64(32)
    while shift > 0:  # a loop over range(4) would be unrolled
        shift -= 8
        for digit in range(_DIGITS):
            sums[digit] = 0.0
        for j in range(z.size):
            key = order_key(z[j])
            if key >> (shift + 8) == prefix:
                sums[(key >> shift) & 255] += 1.0 if counts else np.float64(weights[j])
        digit = np.int64(255)
        while digit > 0 and sums[digit] < need:
            need -= sums[digit]
            digit -= 1
        prefix = (prefix << 8) | digit
    for j in range(z.size):
        key = order_key(z[j])
        if key < prefix:
            weights[j] = F(0)
        elif key == prefix:
            mass = 1.0 if counts else np.float64(weights[j])
            if need <= 0.0:
                weights[j] = F(0)
            need -= mass


@inner_kernel
def sum_blocks(weights, sums):
    """The sum of all weights; leaves those of the blocks in ``sums``."""
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
    """The first id at which the cumulative weight is above ``rest``."""
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
    # Sums in another order differ in their last bits, so the end may come a little early.
    if last < 0:
        last = block * _BLOCK
        while weights[last] <= F(0):
            last -= 1
    return last
