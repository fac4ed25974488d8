"""ReLU and dropout, forward and backward, on one row."""

from __future__ import annotations

import numpy as np

from fastlm_kernels.runtime.jit import inner_kernel, shared_kernel
from fastlm_kernels.runtime.random import PURPOSE_DROPOUT, U32, U64, absorb, column_hash, key

F = np.float32


@shared_kernel
def row_key(seed, step, layer, row):
    """uint32 key of the dropout mask of one row; layer 0 is the input (see ``token_key``), l the
    l-th hidden layer."""
    stream = key(U64(seed), PURPOSE_DROPOUT, U64(step), U64(layer))
    return U32(absorb(stream, U64(row)))


@inner_kernel
def token_key(seed, step, place, id, vocab):
    """uint32 key of the dropout mask of a token's embedding at one place of the context.

    Examples of a batch that have the same token there share the mask, and with it all that follows
    from token and place (``fastlm_kernels.layers.token_table_training``).
    """
    return row_key(seed, step, np.int64(0), place * vocab + id)


@inner_kernel
def drop_input(x, context, row, step, network, plan):
    """Dropout of one example's input of the first layer, or of its gradient.

    x : float32[fan-in], changed; context : int32[span]
    Each near token's embedding has the mask of ``token_key``, the rest, mean or pools, has one of
    the example's ``row``.
    """
    near = np.int64(0) if network.mean else network.context
    place = np.int64(0)
    start = np.int64(0)
    while start < x.size:  # one call, since each would be compiled
        size = network.embed
        if place < near:
            id = np.int64(context[network.span - near + place])
            mask = token_key(plan.seed, step, place, id, network.vocab)
        else:
            size = x.size - start
            number = network.context * network.vocab + row  # behind the keys of tokens
            mask = row_key(plan.seed, step, np.int64(0), number)
        dropout(x[start : start + size], mask, plan.embed_dropout)
        start += size
        place += 1


@inner_kernel
def dropout_threshold(rate):
    return U32(np.int64(np.floor(rate * 4294967296.0)))


@inner_kernel
def relu(h):
    """h = max(0, h). Written so that NaN stays NaN: a bad number must not be hidden."""
    for j in range(h.size):
        h[j] = F(0) if h[j] < F(0) else h[j]


@shared_kernel
def dropout(h, mask_key, rate):
    """Zero a ``rate`` of the elements, multiply the others by 1 / (1 - rate)."""
    threshold = dropout_threshold(rate)
    scale = F(1.0 / (1.0 - rate))
    for j in range(h.size):
        h[j] = h[j] * scale if column_hash(mask_key, j) >= threshold else F(0)


@inner_kernel
def relu_dropout_backward(d_h, h, rate):
    """d_h through dropout and ReLU at once: an output of 0 was cut by one of them."""
    scale = F(1.0 / (1.0 - rate))
    for j in range(d_h.size):
        d_h[j] = d_h[j] * scale if h[j] != F(0) else F(0)
