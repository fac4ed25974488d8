"""The first layer from a table instead of a product, for models that only measure.

The first layer is affine in the embeddings, so the share of the token c places before the target is
one of V rows of a table that can be made ahead:

    share[c, v] = embeddings[v] @ W1[c E : (c + 1) E],      x @ W1 + b = b + sum over c of share

With it the first layer costs C additions of N numbers a position instead of a product with
C E N multiplications.
"""

import numpy as np

from fastlm_kernels.affine import affine
from fastlm_kernels.arguments import BIAS, FAN_IN, FAN_OUT, WEIGHT
from fastlm_kernels.gemm import gemm
from fastlm_kernels.jit import inner_kernel, kernel
from fastlm_kernels.rows import combine_rows

F = np.float32


@kernel
def fill_table(table, workspace, params, network):
    """What each token adds to the first layer from each place of the context.

    table : float32[C * V * N], written: the row of token v at place c (0 the oldest) starts at
        (c V + v) N. The layer's bias is part of every row of place 0.
    """
    vocab = network.vocab
    embed = network.embed
    width = network.layers[0, FAN_OUT]
    weight = network.layers[0, WEIGHT]
    for place in range(network.context):
        bias = network.layers[0, BIAS] if place == 0 else np.int64(-1)
        affine(
            table, place * vocab * width, width, workspace, params, np.int64(0), params,
            weight + place * embed * width, bias, vocab, embed, width,
        )  # fmt: skip


@inner_kernel
def add_shares(out, out0, contexts, table, vocab, context, span, width, count):
    """The first layer's output for ``count`` rows, from the table.

    out : float32[count * N] from ``out0``, written
    contexts : int32[count * span], of which the last C of each row have rows in the table
    Four places at a time: y is read and written once for four rows of the table.
    """
    for row in range(count):
        y = out[out0 + row * width : out0 + (row + 1) * width]
        ids = contexts[(row + 1) * span - context : (row + 1) * span]
        for j in range(width):
            y[j] = F(0)
        place = np.int64(0)
        while place + 4 <= context:
            start0 = share_start(place, ids[place], vocab, width)
            start1 = share_start(place + 1, ids[place + 1], vocab, width)
            start2 = share_start(place + 2, ids[place + 2], vocab, width)
            start3 = share_start(place + 3, ids[place + 3], vocab, width)
            share0 = table[start0 : start0 + width]
            share1 = table[start1 : start1 + width]
            share2 = table[start2 : start2 + width]
            share3 = table[start3 : start3 + width]
            for j in range(width):
                y[j] += (share0[j] + share1[j]) + (share2[j] + share3[j])
            place += 4
        while place < context:
            start0 = share_start(place, ids[place], vocab, width)
            share0 = table[start0 : start0 + width]
            for j in range(width):
                y[j] += share0[j]
            place += 1


@inner_kernel
def share_start(place, token, vocab, width):
    return (place * vocab + token) * width


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
    if table.size == 0 or network.far.size > 0:
        combine_rows(inputs, contexts, params, network, np.int64(0), count)
    if table.size > 0:
        add_shares(
            out, out0, contexts, table, network.vocab, network.context, network.span, fan_out, count
        )
        if network.far.size > 0:
            add_pools(out, out0, inputs, workspace, params, network, count)
    else:
        affine(
            out, out0, fan_out, workspace, inputs, np.int64(0), params, network.layers[0, WEIGHT],
            network.layers[0, BIAS], count, fan_in, fan_out,
        )  # fmt: skip
