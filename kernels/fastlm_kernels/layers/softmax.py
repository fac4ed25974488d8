"""Softmax and cross-entropy of one row of logits."""

from __future__ import annotations

import math

import numpy as np

from fastlm_kernels.layers.exp import bits_from_float, exp32, float_from_bits
from fastlm_kernels.runtime.jit import inner_kernel, shared_kernel

F = np.float32


@inner_kernel
def flip(bits):
    """Between float32 bit patterns and integers in the same order; its own inverse."""
    return np.int32(bits ^ np.int32(np.int32(bits >> np.int32(31)) & np.int32(0x7FFFFFFF)))


@shared_kernel
def row_max(z):
    """The largest element, compared as integers: LLVM vectorises that (0.06 ns an element), but not
    a float maximum that has to respect NaN (0.57 ns)."""
    top = np.int32(-2147483648)
    for j in range(z.size):
        top = max(top, flip(bits_from_float(z[j])))
    return float_from_bits(flip(np.int32(top)))


@shared_kernel
def log_sum_exp(z):
    """log of the sum of e^z over the row, in nats (float64)."""
    top = row_max(z)
    total = F(0)
    for j in range(z.size):
        total += exp32(z[j] - top)
    return math.log(np.float64(total)) + np.float64(top)


@shared_kernel
def add_to_log_sum(tops, totals, row, z):
    """Go on with a row's log of the sum of e^z, ``log(totals[row]) + tops[row]``.

    tops : float32[...], -inf before the first z; totals : float64[...], 0 before it; changed
    """
    top = row_max(z)
    # Written so that a NaN goes on, too.
    if not top <= tops[row]:
        totals[row] *= math.exp(np.float64(tops[row]) - np.float64(top))
        tops[row] = top
    top = tops[row]
    total = F(0)
    for j in range(z.size):
        total += exp32(z[j] - top)
    totals[row] += np.float64(total)


@shared_kernel
def softmax_cross_entropy(z, target):
    """Turn logits into d loss / d logits = softmax(z) - onehot(target); return the loss.

    z : float32[V], changed in place
    returns -log softmax(z)[target] in nats (float64)
    """
    top = row_max(z)
    at_target = z[target]
    total = to_exponentials(z, top)
    to_shares(z, F(1) / total, target)
    # In float64: fast math may add the logarithm to a large logit first, and lose it there.
    return math.log(np.float64(total)) - (np.float64(at_target) - np.float64(top))


@inner_kernel
def to_exponentials(z, top):
    """z = e^(z - top); returns their sum (float32)."""
    total = F(0)
    for j in range(z.size):
        e = exp32(z[j] - top)
        z[j] = e
        total += e
    return total


@inner_kernel
def to_shares(z, share, target):
    """z *= share, and 1 less at ``target`` if that is in z."""
    for j in range(z.size):
        z[j] *= share
    if 0 <= target < z.size:
        z[target] -= F(1)


# What a row whose logits come in blocks of columns is remembered by, as float64: the largest logit
# so far, the sum of e^(logit - that), the target's logit, and from BLOCK_TOPS on, for each block,
# what was the largest logit when it came.
TOP, TOTAL, AT_TARGET, BLOCK_TOPS = range(4)


@shared_kernel
def softmax_block(z, marks, block, target):
    """The forward part of ``softmax_cross_entropy`` for the next block of a row's logits.

    z : float32[...], changed into exponentials
    marks : float64[BLOCK_TOPS + blocks], see TOP; needs no beginning
    block : 0, 1, ..., target : where in z, or beyond its ends
    """
    if 0 <= target < z.size:
        marks[AT_TARGET] = np.float64(z[target])
    top = row_max(z)
    if block == 0:
        marks[TOTAL] = 0.0
        marks[TOP] = np.float64(top)
    # Written so that a NaN goes on, too.
    elif not np.float64(top) <= marks[TOP]:
        marks[TOTAL] *= math.exp(marks[TOP] - np.float64(top))
        marks[TOP] = np.float64(top)
    marks[BLOCK_TOPS + block] = marks[TOP]
    marks[TOTAL] += np.float64(to_exponentials(z, F(marks[TOP])))


@inner_kernel
def join_marks(marks, others):
    """Take other columns of the row into account: their largest logit and their sum."""
    # Written so that a NaN goes on, too.
    if not others[TOP] <= marks[TOP]:
        marks[TOTAL] *= math.exp(marks[TOP] - others[TOP])
        marks[TOP] = others[TOP]
    marks[TOTAL] += others[TOTAL] * math.exp(others[TOP] - marks[TOP])


@shared_kernel
def gradient_block(z, marks, block, target):
    """The backward part, once all blocks have come: exponentials into d loss / d logits."""
    share = math.exp(marks[BLOCK_TOPS + block] - marks[TOP]) / marks[TOTAL]
    to_shares(z, F(share), target)


@inner_kernel
def loss_of_blocks(marks):
    """-log softmax(z)[target] in nats (float64), once all blocks have come."""
    return math.log(marks[TOTAL]) - (marks[AT_TARGET] - marks[TOP])
