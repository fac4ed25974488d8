"""The first layer in inference: by a token table (``layers.token_table``), or by a product.

A table holds the tokens that occur in some stretch of text.
"""

from __future__ import annotations

import numpy as np

from fastlm_kernels.layers.affine import affine
from fastlm_kernels.layers.token_table import fill_table, sum_table_rows, table_offset
from fastlm_kernels.linalg.gemm import gemm
from fastlm_kernels.passes.contexts import token_at
from fastlm_kernels.passes.rows import combine_rows
from fastlm_kernels.runtime.arguments import BIAS, FAN_IN, FAN_OUT, WEIGHT
from fastlm_kernels.runtime.jit import inner_kernel, kernel

FILL_ROWS = 64  # tokens whose table rows are computed at a time


@kernel
def number_tokens(row_of_token, ids, tokens, network, first, stop):
    """Give numbers to the tokens in the contexts from position ``first`` on, while ids has room.

    Returns (count, stop): the number of tokens, and the position, at most ``stop``, before which
    all contexts have their tokens numbered.

    row_of_token : int32[V], -1 everywhere, changed; ids : int32[more than C], written: see
        ``TokenTable``
    """
    ids[0] = max(network.boundary, 0)  # fills up a context
    row_of_token[ids[0]] = 0
    known = np.int64(1)
    for position in range(max(first - network.context, 0), stop - 1):
        id = token_at(tokens.ids, tokens.width, position)
        if row_of_token[id] < 0:
            if known == ids.size:
                return known, np.int64(position + 1)
            row_of_token[id] = known
            ids[known] = id
            known += 1
    return known, np.int64(stop)


@inner_kernel
def fill_table_tile(table, inputs, workspace, params, network, low, high):
    """Compute the table rows low to high, at all positions.

    inputs : float32[at least (high - low) E], written
    """
    embed = network.embed
    for table_row in range(low, high):
        id = np.int64(table.ids[table_row])
        x = inputs[(table_row - low) * embed : (table_row - low + 1) * embed]
        row = params[id * embed : (id + 1) * embed]
        for e in range(embed):
            x[e] = row[e]
    for position in range(network.context):
        fill_table(table, low, np.int64(position), inputs, workspace, params, network, high - low)


@inner_kernel
def forward_table(out, out0, contexts, table, params, network, count):
    """Compute the first layer's output of ``count`` rows from the table.

    out : float32[count * N] at ``out0``, written
    contexts : int32[count * span], whose last C tokens are in the table; they are overwritten with
        the offsets of their table rows
    """
    width = network.layers[0, FAN_OUT]
    for row in range(count):
        first = (row + 1) * network.span - network.context
        for position in range(network.context):
            contexts[first + position] = table_offset(
                table, contexts[first + position], position, network
            )
        sum_table_rows(out, out0 + row * width, table.values, contexts, first, params, network)


@inner_kernel
def add_pools(out, out0, inputs, workspace, params, network, count):
    """Add the pools of far context to the first layer's output of ``count`` rows.

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
    """Compute the first affine layer of ``count`` rows: by the table, or a product if it is empty.

    out : float32[count * N] at ``out0``, written
    inputs : float32[rows * widths], written
    contexts : int32[count * span], changed
    """
    fan_in = network.layers[0, FAN_IN]
    fan_out = network.layers[0, FAN_OUT]
    if table.ids.size == 0 or network.far.size > 0:
        combine_rows(inputs, contexts, params, network, np.int64(0), count)
    if table.ids.size > 0:
        forward_table(out, out0, contexts, table, params, network, count)
        if network.far.size > 0:
            add_pools(out, out0, inputs, workspace, params, network, count)
    else:
        affine(
            out, out0, fan_out, workspace, inputs, np.int64(0), params, network.layers[0, WEIGHT],
            network.layers[0, BIAS], count, fan_in, fan_out,
        )  # fmt: skip
