"""The order of training examples and their contexts, read straight from the token array.

The token array is uint16[width * T]: 16-bit ids as they are (width 1), 32-bit ids as low and high
half (width 2). With one array type every kernel compiles once.
"""

from __future__ import annotations

import numpy as np

from fastlm_kernels.runtime.jit import inner_kernel, shared_kernel
from fastlm_kernels.runtime.random import order_key, permute


@shared_kernel
def token_at(tokens, width, position):
    """Return the id at ``position`` of the token array, as int64."""
    if width == 1:
        return np.int64(tokens[position])
    low = np.int64(tokens[2 * position])
    return low | (np.int64(tokens[2 * position + 1]) << 16)


@shared_kernel
def example_position(counter, examples, first_target, shuffle, block, window, seed):
    """Return the target position of the counter-th example since the start of training.

    Each epoch visits all ``examples`` once, in the order of a permutation of its own. With
    ``block`` above 0 it permutes blocks of that many examples, and then the examples within each
    window of ``window`` blocks, so that what a window reads fits into memory.
    """
    epoch = counter // examples
    i = counter - epoch * examples
    if shuffle:
        if block == 0:
            i = permute(i, examples, order_key(seed, epoch, np.int64(0)))
        else:
            i = _in_window(i, examples, block, window, seed, epoch)
    return first_target + i


@inner_kernel
def _in_window(i, examples, block, window, seed, epoch):
    blocks = examples // block
    number = i // (block * window)
    first = number * block * window
    size = min(block * window, blocks * block - first)
    if i >= blocks * block:  # the remainder is a window of its own
        first = blocks * block
        number = blocks
        size = examples - first
    j = permute(i - first, size, order_key(seed, epoch, number + 1))
    if first == blocks * block:
        return first + j
    slot = number * window + j // block
    return permute(slot, blocks, order_key(seed, epoch, np.int64(0))) * block + j % block


@shared_kernel
def gather_context(context, tokens, width, position, boundary):
    """Gather the tokens before ``position``, oldest first.

    context : int32[span], written
    tokens : uint16[width * T]
    boundary : id of the boundary token, or -1. From the nearest one backwards, and before the start
        of the array, everything reads as boundary (0 if there is none)
    """
    size = context.size
    known = 0
    while known < min(size, position):
        token = token_at(tokens, width, position - 1 - known)
        if token == boundary:
            break
        known += 1
        context[size - known] = token
    filler = max(boundary, 0)
    for c in range(size - known):
        context[c] = filler
