"""ReLU and dropout, forward and backward, on one row."""

from __future__ import annotations

import numpy as np

from fastlm_kernels.runtime.jit import inner_kernel, shared_kernel
from fastlm_kernels.runtime.random import PURPOSE_DROPOUT, U32, U64, absorb, column_hash, key

F = np.float32


@shared_kernel
def row_key(seed, step, layer, row):
    """Return the uint32 key of a row's dropout mask in a hidden layer (1, 2, ...; 0: input)."""
    stream = key(U64(seed), PURPOSE_DROPOUT, U64(step), U64(layer))
    return U32(absorb(stream, U64(row)))


@inner_kernel
def token_key(seed, step, position, id, vocab):
    """Return the uint32 key of the dropout mask of a token's embedding at one context position.

    Examples of a batch with the same token there share the mask, and so all that depends on token
    and position only (``layers.token_table_training``).
    """
    return row_key(seed, step, np.int64(0), position * vocab + id)


@inner_kernel
def dropout_input(x, context, row, step, network, plan):
    """Apply dropout to one example's input of the first layer, or to its gradient.

    The embedding of each near token has the mask of ``token_key``; the rest, mean or pools, has one
    of the example's ``row``.

    x : float32[fan-in], changed
    context : int32[span]
    """
    near = np.int64(0) if network.mean else network.context
    position = np.int64(0)
    start = np.int64(0)
    while start < x.size:  # one call site, since each would be compiled
        size = network.embed
        if position < near:
            id = np.int64(context[network.span - near + position])
            mask = token_key(plan.seed, step, position, id, network.vocab)
        else:
            size = x.size - start
            number = plan.first_row + row * plan.row_stride
            number += network.context * network.vocab  # beyond the numbers of tokens
            mask = row_key(plan.seed, step, np.int64(0), number)
        dropout(x[start : start + size], mask, plan.embed_dropout)
        start += size
        position += 1


@inner_kernel
def dropout_threshold(rate):
    """Return the uint32 below which a hash drops its element."""
    return U32(np.int64(np.floor(rate * 4294967296.0)))


@inner_kernel
def relu(h):
    """Compute h = max(0, h); NaN stays NaN, since a bad number must not be hidden."""
    for j in range(h.size):
        h[j] = F(0) if h[j] < F(0) else h[j]


@shared_kernel
def dropout(h, mask_key, rate):
    """Zero elements with probability ``rate``, scale the others by 1 / (1 - rate).

    Inverted dropout (Srivastava et al. 2014, "Dropout", section 10).

    h : float32[...], changed
    mask_key : uint32
    """
    threshold = dropout_threshold(rate)
    scale = F(1.0 / (1.0 - rate))
    for j in range(h.size):
        h[j] = h[j] * scale if column_hash(mask_key, j) >= threshold else F(0)


@inner_kernel
def relu_dropout_backward(d_h, h, rate):
    """Take d_h back through dropout and ReLU at once: an output h of 0 was cut by one of them."""
    scale = F(1.0 / (1.0 - rate))
    for j in range(d_h.size):
        d_h[j] = d_h[j] * scale if h[j] != F(0) else F(0)
