"""Where an example lies and what its context is, read straight from the token array.

The token array is passed as uint16[width * T]: ids of 16 bits as they are (width 1), ids of 32
bits as low and high half (width 2). One array type means that every kernel compiles once.
"""

from __future__ import annotations

import numpy as np

from fastlm_kernels.runtime.jit import inner_kernel, shared_kernel
from fastlm_kernels.runtime.random import order_key, permute


@shared_kernel
def token_at(tokens, width, position):
    if width == 1:
        return np.int64(tokens[position])
    low = np.int64(tokens[2 * position])
    return low | (np.int64(tokens[2 * position + 1]) << 16)


@shared_kernel
def example_position(counter, examples, first_target, shuffle, block, window, seed):
    """Target position of the counter-th example since the start of training.

    Each epoch goes once through all ``examples``, in the order of a permutation of its own. With
    ``block`` above 0 it permutes the blocks of so many examples, and then the examples within
    each window of ``window`` blocks: what a window reads then fits into memory.
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
    if i >= blocks * block:  # what is left over is a window of its own
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
    """The tokens before ``position``, oldest first.

    context : int32[span], written
    boundary : id of the token that ends a document, or -1. From the nearest boundary token on
        backwards, and before the start of the array, everything reads as boundary (0 if none).
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
