"""The first layer where nothing is learnt: by a table of shares
(``fastlm_kernels.layers.token_table``), or a product. A table holds the tokens that occur in some
stretch of text."""

from __future__ import annotations

import numpy as np

from fastlm_kernels.layers.affine import affine
from fastlm_kernels.layers.token_table import fill_shares, share_start, sum_shares
from fastlm_kernels.linalg.gemm import gemm
from fastlm_kernels.passes.contexts import token_at
from fastlm_kernels.passes.rows import combine_rows
from fastlm_kernels.runtime.arguments import BIAS, FAN_IN, FAN_OUT, WEIGHT
from fastlm_kernels.runtime.jit import inner_kernel, kernel

F = np.float32


# Tokens whose shares are computed at a time.
FILL_ROWS = 64


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
def fill_table(table, inputs, workspace, params, network, low, high):
    """Compute the shares of the tokens low to high of a table.

    inputs : float32[at least (high - low) E], written
    """
    embed = network.embed
    for slot in range(low, high):
        id = np.int64(table.ids[slot])
        x = inputs[(slot - low) * embed : (slot - low + 1) * embed]
        row = params[id * embed : (id + 1) * embed]
        for e in range(embed):
            x[e] = row[e]
    for place in range(network.context):
        fill_shares(table, low, np.int64(place), inputs, workspace, params, network, high - low)


@inner_kernel
def add_shares(out, out0, contexts, table, params, network, count):
    """The first layer's output for ``count`` rows, from the table.

    out : float32[count * N] from ``out0``, written
    contexts : int32[count * span], whose last C tokens are in the table; those are overwritten with
        where their shares start
    """
    width = network.layers[0, FAN_OUT]
    for row in range(count):
        first = (row + 1) * network.span - network.context
        for place in range(network.context):
            contexts[first + place] = share_start(table, contexts[first + place], place, network)
        sum_shares(out, out0 + row * width, table.shares, contexts, first, params, network)


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
    contexts : int32[count * span], changed
    """
    fan_in = network.layers[0, FAN_IN]
    fan_out = network.layers[0, FAN_OUT]
    if table.ids.size == 0 or network.far.size > 0:
        combine_rows(inputs, contexts, params, network, np.int64(0), count)
    if table.ids.size > 0:
        add_shares(out, out0, contexts, table, params, network, count)
        if network.far.size > 0:
            add_pools(out, out0, inputs, workspace, params, network, count)
    else:
        affine(
            out, out0, fan_out, workspace, inputs, np.int64(0), params, network.layers[0, WEIGHT],
            network.layers[0, BIAS], count, fan_in, fan_out,
        )  # fmt: skip
