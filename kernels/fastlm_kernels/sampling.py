"""Which token comes next: a uniform random number, and a choice among logits by it.

What top_k and top_p keep is found without sorting: logits as integers in the same order, and among
all integers the smallest one that stays, by bisection. That sums the row 32 times in whole vectors,
whatever is kept.
"""

from typing import NamedTuple

import numpy as np

from fastlm_kernels.exponential import bits_from_float, exp32
from fastlm_kernels.hashing import PURPOSE_SAMPLING, U64, absorb, key
from fastlm_kernels.jit import inner_kernel, shared_kernel
from fastlm_kernels.softmax import flip, row_max

F = np.float32

# Weights that are summed at once, so that a draw need not walk over a whole vocabulary.
_BLOCK = 64

# The bit pattern of -0.0, and the smallest key; no float has the largest.
_MINUS_ZERO = np.int32(-2147483648)

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
    """weights, masses : float32[V]; sums : float64[sum_places(V)]"""

    weights: np.ndarray
    masses: np.ndarray
    sums: np.ndarray


def sum_places(vocab: int) -> int:
    """The size of ``ChoiceScratch.sums``."""
    return -(-vocab // _BLOCK)


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
            masses = scratch.masses if cut == 0 else weights
            if cut == 0:
                for j in range(z.size):
                    masses[j] = F(1)
            keep_largest(weights, masses, z, top, need)
        total = sum_blocks(weights, scratch.sums)
    return draw(weights, scratch.sums, uniform * total)


@inner_kernel
def logit_key(value):
    """int32, in the order of the float32 values; both zeros have the same."""
    bits = bits_from_float(value)
    return flip(np.int32(0) if bits == _MINUS_ZERO else bits)


@inner_kernel
def keep_largest(weights, masses, z, top, need):
    """Zero all weights but those of the fewest largest z whose masses add up to ``need``.

    masses : float32[V], which may be the weights; top : the largest z
    Of equal z the lower ids stay.
    """
    # The largest key such that it and those above it have the mass.
    low = np.int64(_MINUS_ZERO)
    high = np.int64(logit_key(top))
    while low < high:
        middle = (low + high + 1) >> 1
        if mass_from(masses, z, np.int32(middle)) >= need:
            low = middle
        else:
            high = middle - 1
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
def mass_from(masses, z, key):
    """The sum of the masses of the z that have this key or a larger one."""
    total = 0.0
    for j in range(z.size):
        total += masses[j] if logit_key(z[j]) >= key else F(0)
    return total


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
