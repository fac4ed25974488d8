"""The first layer from a table instead of a product, where nothing is learnt.

The first layer is affine in the embeddings, so the share of the token c places before the target is
a row of N numbers that can be made ahead:

    share[v, c] = embeddings[v] @ W1[c E : (c + 1) E],      x @ W1 + b = b + sum over c of share

With it the first layer costs C additions of N numbers a position instead of a product with
C E N multiplications. A table holds the tokens that occur in some stretch of text.
"""

from typing import NamedTuple

import numpy as np

from fastlm_kernels.affine import affine
from fastlm_kernels.arguments import BIAS, FAN_IN, FAN_OUT, WEIGHT
from fastlm_kernels.contexts import token_at
from fastlm_kernels.gemm import gemm
from fastlm_kernels.jit import inner_kernel, kernel
from fastlm_kernels.rows import combine_rows

F = np.float32

# Tokens whose shares are computed at a time.
FILL_ROWS = 64


class Table(NamedTuple):
    """What each of D tokens adds to the first layer from each place of the context.

    shares : float32[D * C * N]: the row of token ids[d] at place c (0 the oldest) starts at
        (d C + c) N. The layer's bias is part of every row of place 0.
    slots : int32[V], d of each token of the table
    ids : int32[D]
    All empty: there is no table.
    """

    shares: np.ndarray
    slots: np.ndarray
    ids: np.ndarray


@kernel
def number_tokens(slots, ids, tokens, network, first, stop):
    """Number the tokens in the contexts of the positions from ``first`` on, while ids has room.

    slots : int32[V], -1 everywhere, changed; ids : int32[more than C], written: see ``Table``
    Returns (how many, the position up to which all contexts have their tokens: at most ``stop``).
    """
    ids[0] = max(network.boundary, 0)  # what fills up a context
    slots[ids[0]] = 0
    known = np.int64(1)
    for position in range(max(first - network.context, 0), stop - 1):
        id = token_at(tokens.ids, tokens.width, position)
        if slots[id] < 0:
            if known == ids.size:
                return known, np.int64(position + 1)
            slots[id] = known
            ids[known] = id
            known += 1
    return known, np.int64(stop)


@inner_kernel
def fill_shares(table, inputs, workspace, params, network, low, high):
    """Compute the shares of the tokens low to high of a table.

    inputs : float32[at least (high - low) E], written
    """
    embed = network.embed
    context = network.context
    width = network.layers[0, FAN_OUT]
    weight = network.layers[0, WEIGHT]
    for slot in range(low, high):
        id = np.int64(table.ids[slot])
        x = inputs[(slot - low) * embed : (slot - low + 1) * embed]
        row = params[id * embed : (id + 1) * embed]
        for e in range(embed):
            x[e] = row[e]
    for place in range(context):
        bias = network.layers[0, BIAS] if place == 0 else np.int64(-1)
        affine(
            table.shares, (low * context + place) * width, context * width, workspace,
            inputs, np.int64(0), params, weight + place * embed * width, bias,
            high - low, embed, width,
        )  # fmt: skip


@inner_kernel
def add_shares(out, out0, contexts, table, context, span, width, count):
    """The first layer's output for ``count`` rows, from the table.

    out : float32[count * N] from ``out0``, written
    contexts : int32[count * span], of which the last C of each row have rows in the table
    Four places at a time: y is read and written once for four rows of the table.
    """
    shares = table.shares
    for row in range(count):
        y = out[out0 + row * width : out0 + (row + 1) * width]
        ids = contexts[(row + 1) * span - context : (row + 1) * span]
        for j in range(width):
            y[j] = F(0)
        place = np.int64(0)
        while place + 4 <= context:
            start0 = share_start(table, ids, place, context, width)
            start1 = share_start(table, ids, place + 1, context, width)
            start2 = share_start(table, ids, place + 2, context, width)
            start3 = share_start(table, ids, place + 3, context, width)
            share0 = shares[start0 : start0 + width]
            share1 = shares[start1 : start1 + width]
            share2 = shares[start2 : start2 + width]
            share3 = shares[start3 : start3 + width]
            for j in range(width):
                y[j] += (share0[j] + share1[j]) + (share2[j] + share3[j])
            place += 4
        while place < context:
            start0 = share_start(table, ids, place, context, width)
            share0 = shares[start0 : start0 + width]
            for j in range(width):
                y[j] += share0[j]
            place += 1


@inner_kernel
def share_start(table, ids, place, context, width):
    return (np.int64(table.slots[ids[place]]) * context + place) * width


@inner_kernel
def add_pools(out, out0, inputs, workspace, params, network, count):
    """out += what the pools of far context add to the first layer, for ``count`` rows.

    inputs : float32[count * fan-in], of ``combine_rows``
    """
    fan_in = network.layers[0, FAN_IN]
    fan_out = network.layers[0, FAN_OUT]
    pools = network.far.size * network.embed
    near = fan_in - pools
    gemm(
        out, out0, fan_out, inputs, near, fan_in, np.int64(1),
        params, network.layers[0, WEIGHT] + near * fan_out, fan_out, np.bool_(False),
        count, fan_out, pools, 1.0, 1.0, workspace,
    )  # fmt: skip


@inner_kernel
def first_layer(out, out0, inputs, contexts, workspace, table, params, network, count):
    """The first affine layer of ``count`` rows, by the table or, where it is empty, by a product.

    out : float32[count * N] from ``out0``, written; inputs : float32[rows * widths], written
    contexts : int32[count * span]
    """
    fan_in = network.layers[0, FAN_IN]
    fan_out = network.layers[0, FAN_OUT]
    if table.ids.size == 0 or network.far.size > 0:
        combine_rows(inputs, contexts, params, network, np.int64(0), count)
    if table.ids.size > 0:
        add_shares(out, out0, contexts, table, network.context, network.span, fan_out, count)
        if network.far.size > 0:
            add_pools(out, out0, inputs, workspace, params, network, count)
    else:
        affine(
            out, out0, fan_out, workspace, inputs, np.int64(0), params, network.layers[0, WEIGHT],
            network.layers[0, BIAS], count, fan_in, fan_out,
        )  # fmt: skip
