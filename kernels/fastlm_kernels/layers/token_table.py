"""The token table: the first layer as a sum of what each token adds from its context position.

The first layer is affine in the embeddings, and a context is C of them side by side, so that

    x @ W1 + b = b + sum over c of table[c, v_c]
    table[c, v] = embeddings[v] @ W1[c E : (c + 1) E]

With few different tokens D the table has fewer rows than the examples have positions. It is
computed once, and an example costs C additions of N numbers in place of a product of C E N
multiplications.
"""

from __future__ import annotations

import numpy as np

from fastlm_kernels.linalg.gemm import gemm
from fastlm_kernels.runtime.arguments import BIAS, FAN_OUT, WEIGHT
from fastlm_kernels.runtime.jit import inner_kernel

F = np.float32


@inner_kernel
def fill_table(table, table_row, position, vectors, workspace, params, network, count):
    """Compute ``count`` rows of the table at one position, from ``table_row`` on.

    vectors : float32[count * E, or more], the tokens' embeddings
    """
    embed = network.embed
    width = network.layers[0, FAN_OUT]
    gemm(
        table.values, (position * table.ids.size + table_row) * width, width,
        vectors, np.int64(0), embed, np.int64(1),
        params, network.layers[0, WEIGHT] + position * embed * width, width, np.bool_(False),
        count, width, embed, 1.0, 0.0, workspace,
    )  # fmt: skip


@inner_kernel
def table_offset(table, id, position, network):
    """Return the offset in ``table.values`` of a token at a position (0 the oldest)."""
    width = network.layers[0, FAN_OUT]
    return (position * table.ids.size + np.int64(table.rows[id])) * width


@inner_kernel
def sum_table_rows(out, out0, values, offsets, first, params, network):
    """Compute out[out0 : out0 + N] = b + the sum of the C table rows at offsets[first : first + C].

    out : float32[...], written
    values : float32[C * D * N]
    offsets : int32[...]
    """
    width = network.layers[0, FAN_OUT]
    bias = network.layers[0, BIAS]
    y = out[out0 : out0 + width]
    if bias >= 0:
        b = params[bias : bias + width]
        for j in range(width):
            y[j] = b[j]
    else:
        for j in range(width):
            y[j] = F(0)
    add_rows(
        out, out0, width, values, np.int64(0), offsets, first, first + network.context, np.int64(1)
    )


@inner_kernel
def add_rows(out, out0, width, values, values0, offsets, first, stop, unit):
    """Add rows of ``values``, ``width`` wide, at values0 + offsets[i] * unit for first <= i < stop.

    Four at a time, so that the sum is read and written once for four of them.

    out : float32[width] at out0, changed
    """
    y = out[out0 : out0 + width]
    while first + 4 <= stop:
        offset0 = values0 + np.int64(offsets[first]) * unit
        offset1 = values0 + np.int64(offsets[first + 1]) * unit
        offset2 = values0 + np.int64(offsets[first + 2]) * unit
        offset3 = values0 + np.int64(offsets[first + 3]) * unit
        row0 = values[offset0 : offset0 + width]
        row1 = values[offset1 : offset1 + width]
        row2 = values[offset2 : offset2 + width]
        row3 = values[offset3 : offset3 + width]
        for j in range(width):
            y[j] += (row0[j] + row1[j]) + (row2[j] + row3[j])
        first += 4
    while first < stop:
        offset0 = values0 + np.int64(offsets[first]) * unit
        row0 = values[offset0 : offset0 + width]
        for j in range(width):
            y[j] += row0[j]
        first += 1
