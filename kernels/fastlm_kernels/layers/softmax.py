"""Softmax and cross-entropy of one row of logits, whole or in blocks of columns.

    loss = log(sum over j of e^z[j]) - z[target]        dz = softmax(z) - onehot(target)

Exponentials are float32, sums over blocks and losses float64 (nats).
"""

from __future__ import annotations

import math

import numpy as np

from fastlm_kernels.layers.exp import bits_from_float, exp32, float_from_bits
from fastlm_kernels.runtime.jit import inner_kernel, shared_kernel

F = np.float32

# Indices into the online softmax state of a row whose logits come in blocks of columns (Milakov,
# Gimelshein 2018, "Online normalizer calculation for softmax", section 3): the largest logit so
# far, the sum of e^(logit - that), the target's logit, and from STATE_BLOCK_MAX on, for each block,
# the largest logit when it came.
STATE_MAX, STATE_SUM, STATE_TARGET, STATE_BLOCK_MAX = range(4)


@inner_kernel
def ordered_bits(bits):
    """Map float32 bit patterns to int32 in the same order; its own inverse."""
    return np.int32(bits ^ np.int32(np.int32(bits >> np.int32(31)) & np.int32(0x7FFFFFFF)))


@shared_kernel
def row_max(z):
    """Return the largest element.

    It compares integers, which LLVM vectorises (0.06 ns an element), unlike a float maximum that
    has to respect NaN (0.57 ns).
    """
    top = np.int32(-2147483648)
    for j in range(z.size):
        top = max(top, ordered_bits(bits_from_float(z[j])))
    return float_from_bits(ordered_bits(np.int32(top)))


@shared_kernel
def log_sum_exp(z):
    """Return the log of the sum of e^z over the row, in nats (float64)."""
    top = row_max(z)
    total = F(0)
    for j in range(z.size):
        total += exp32(z[j] - top)
    return math.log(np.float64(total)) + np.float64(top)


@shared_kernel
def update_log_sum(maxima, sums, row, z):
    """Extend a row's log-sum-exp, ``log(sums[row]) + maxima[row]``, by more logits.

    maxima : float32[...], -inf before the first z; sums : float64[...], 0 before it; both changed
    z : float32[...]
    """
    top = row_max(z)
    # Written so that NaN propagates.
    if not top <= maxima[row]:
        sums[row] *= math.exp(np.float64(maxima[row]) - np.float64(top))
        maxima[row] = top
    top = maxima[row]
    total = F(0)
    for j in range(z.size):
        total += exp32(z[j] - top)
    sums[row] += np.float64(total)


@shared_kernel
def softmax_cross_entropy(z, target):
    """Turn logits into d loss / d logits; return the loss -log softmax(z)[target] (nats, float64).

    z : float32[V], changed in place
    """
    top = row_max(z)
    at_target = z[target]
    total = exponentiate(z, top)
    scale_minus_onehot(z, F(1) / total, target)
    # In float64: fast math may add the logarithm to a large logit first, and lose it there.
    return math.log(np.float64(total)) - (np.float64(at_target) - np.float64(top))


@inner_kernel
def exponentiate(z, top):
    """Compute z = e^(z - top); return their sum (float32)."""
    total = F(0)
    for j in range(z.size):
        e = exp32(z[j] - top)
        z[j] = e
        total += e
    return total


@inner_kernel
def scale_minus_onehot(z, share, target):
    """Compute z = share * z - onehot(target); a target outside z is no column of it."""
    for j in range(z.size):
        z[j] *= share
    if 0 <= target < z.size:
        z[target] -= F(1)


@shared_kernel
def softmax_block(z, state, block, target):
    """Run the forward part of ``softmax_cross_entropy`` for the next block of a row's logits.

    z : float32[...], changed into exponentials
    state : float64[STATE_BLOCK_MAX + blocks], written; needs no initialization
    block : 0, 1, ...
    target : column within z, or outside of it
    """
    if 0 <= target < z.size:
        state[STATE_TARGET] = np.float64(z[target])
    top = row_max(z)
    if block == 0:
        state[STATE_SUM] = 0.0
        state[STATE_MAX] = np.float64(top)
    # Written so that NaN propagates.
    elif not np.float64(top) <= state[STATE_MAX]:
        state[STATE_SUM] *= math.exp(state[STATE_MAX] - np.float64(top))
        state[STATE_MAX] = np.float64(top)
    state[STATE_BLOCK_MAX + block] = state[STATE_MAX]
    state[STATE_SUM] += np.float64(exponentiate(z, F(state[STATE_MAX])))


@inner_kernel
def merge_states(state, other):
    """Merge the state of other columns of the row into ``state``: its maximum and sum."""
    # Written so that NaN propagates.
    if not other[STATE_MAX] <= state[STATE_MAX]:
        state[STATE_SUM] *= math.exp(state[STATE_MAX] - other[STATE_MAX])
        state[STATE_MAX] = other[STATE_MAX]
    state[STATE_SUM] += other[STATE_SUM] * math.exp(other[STATE_MAX] - state[STATE_MAX])


@shared_kernel
def gradient_block(z, state, block, target):
    """Run the backward part, after all blocks: turn exponentials into d loss / d logits."""
    share = math.exp(state[STATE_BLOCK_MAX + block] - state[STATE_MAX]) / state[STATE_SUM]
    scale_minus_onehot(z, F(share), target)


@inner_kernel
def loss_from_state(state):
    """Return -log softmax(z)[target] in nats (float64), after all blocks."""
    return math.log(state[STATE_SUM]) - (state[STATE_TARGET] - state[STATE_MAX])
