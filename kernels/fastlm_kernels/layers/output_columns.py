"""The output swept by columns: some columns of logits at a time, for all rows that have them.

A wide output's weights do not fit in a cache, and sweeping it with the rows, some at a time, brings
them from memory for each of these, forward and backward. Here a block of columns is worked on for
the whole batch, and stays in the cache: its logits forward, and on the way back the gradient, the
weights and their momentum up to the update. The same for the clusters of an adaptive softmax, to
which few rows belong: their tiles are of one size however the rows fall.

The softmax needs sums over all columns, so that there are three steps: the tiles up to their
exponentials (``forward_columns``), the sums (``column_sums``), and the tiles from there to the
gradient (``backward_block``) and the update. What each tile adds to the gradient of its input is
kept by itself, and added up in one order (``add_columns``).
"""

from __future__ import annotations

import numpy as np

from fastlm_kernels.layers.adaptive_softmax import (
    output_of,
    part_logits,
    part_of,
    part_rows,
    target_in,
)
from fastlm_kernels.layers.affine import affine_backward
from fastlm_kernels.layers.output import backward_block, forward_block
from fastlm_kernels.layers.softmax import AT_TARGET, TOP, TOTAL, join_marks, loss_of_blocks
from fastlm_kernels.runtime.arguments import (
    BLOCK,
    FAN_IN,
    LAYER,
    PLACE,
    START,
    STOP,
    WEIGHT,
    WIDTH_BEFORE,
)
from fastlm_kernels.runtime.jit import inner_kernel

F = np.float32


@inner_kernel
def forward_columns(scratch, workspace, params, network, plan, step, tile):
    """Logits of a tile of columns, up to their exponentials, for the rows that have them."""
    part = part_of(network, plan.columns[tile, LAYER])
    starts = scratch.starts[step % 2]
    low, high = part_rows(starts, part, np.int64(0), plan.batch)
    if low >= high:
        return
    block = np.int64(0)
    start = plan.columns[tile, START]
    while start < plan.columns[tile, STOP]:
        columns = block_columns(plan, tile, start)
        forward_block(
            scratch, workspace, params, network, plan, step, part, low, high,
            block_logits(network, plan, starts, tile, start), columns, start, columns,
            tile_marks(plan, tile) + low, block,
        )  # fmt: skip
        start += columns
        block += 1


@inner_kernel
def block_columns(plan, tile, start):
    """How many columns the block of a tile has that begins at column ``start``."""
    return min(plan.columns[tile, BLOCK], plan.columns[tile, STOP] - start)


@inner_kernel
def block_logits(network, plan, starts, tile, start):
    """Where the logits of a block of columns begin; those of all its rows lie together."""
    part = part_of(network, plan.columns[tile, LAYER])
    low, high = part_rows(starts, part, np.int64(0), plan.batch)
    return part_logits(network, starts, plan.batch, part) + (high - low) * start


@inner_kernel
def tile_marks(plan, tile):
    """Where in ``scratch.marks`` those of a tile begin, by the row of the batch; first come those
    of the rows themselves."""
    return (1 + tile) * plan.batch


@inner_kernel
def backward_columns_block(scratch, workspace, params, network, plan, step, tile, start):
    """From the exponentials of a block to their gradient, and what it adds to the gradient of the
    tile's input."""
    part = part_of(network, plan.columns[tile, LAYER])
    starts = scratch.starts[step % 2]
    low, high = part_rows(starts, part, np.int64(0), plan.batch)
    if low < high:
        columns = block_columns(plan, tile, start)
        before = start - plan.columns[tile, START]
        backward_block(
            scratch.d_columns, plan.batch * plan.columns[tile, PLACE], scratch, workspace, params,
            network, plan, step, part, low, high,
            block_logits(network, plan, starts, tile, start), columns, start, columns,
            tile_marks(plan, tile) + low, before // plan.columns[tile, BLOCK],
            0.0 if before == 0 else 1.0,
        )  # fmt: skip


@inner_kernel
def column_sums(scratch, network, plan, step, first, last):
    """The sums over all columns for the rows first to last; returns the sum of their losses in the
    parts that are swept by columns (nats)."""
    starts = scratch.starts[step % 2]
    targets = scratch.targets[step % 2]
    marks = scratch.marks
    loss = 0.0
    tile = np.int64(0)
    while tile < plan.columns.shape[0]:
        layer = plan.columns[tile, LAYER]
        behind = tile + 1
        while behind < plan.columns.shape[0] and plan.columns[behind, LAYER] == layer:
            behind += 1
        part = part_of(network, layer)
        low, high = part_rows(starts, part, first, last)
        for row in range(low, high):
            at = target_in(part, np.int64(targets[row]), network.cutoffs)
            marks[row, TOP] = -np.inf
            marks[row, TOTAL] = 0.0
            for t in range(tile, behind):
                mark = marks[tile_marks(plan, t) + row]
                join_marks(marks[row], mark)
                if plan.columns[t, START] <= at < plan.columns[t, STOP]:
                    marks[row, AT_TARGET] = mark[AT_TARGET]
            loss += loss_of_blocks(marks[row])
            for t in range(tile, behind):
                mark = marks[tile_marks(plan, t) + row]
                mark[TOP] = marks[row, TOP]
                mark[TOTAL] = marks[row, TOTAL]
        tile = behind
    return loss


@inner_kernel
def add_columns(scratch, workspace, params, network, plan, step, first, last):
    """What the tiles found, as the gradient of the output's input, for the rows first to last."""
    table = network.layers
    starts = scratch.starts[step % 2]
    d_inputs = scratch.d_inputs
    for part in range(network.cutoffs.size):
        if part == 0 and not plan.by_columns:
            continue
        low, high = part_rows(starts, part, first, last)
        if low >= high:
            continue
        layer = output_of(network, part)
        width = table[layer, FAN_IN]
        x0 = plan.batch * table[layer, WIDTH_BEFORE] + low * width
        size = (high - low) * width
        of_part, _ = part_rows(starts, part, np.int64(0), plan.batch)
        d_x = d_inputs[x0 : x0 + size]
        for j in range(size):
            d_x[j] = F(0)
        for tile in range(plan.columns.shape[0]):
            if plan.columns[tile, LAYER] == layer:
                start = plan.batch * plan.columns[tile, PLACE] + (low - of_part) * width
                of_tile = scratch.d_columns[start : start + size]
                for j in range(size):
                    d_x[j] += of_tile[j]
        if part > 0:
            fan_in = table[layer - 1, FAN_IN]
            affine_backward(
                d_inputs, scratch.inputs,
                plan.batch * table[layer - 1, WIDTH_BEFORE] + low * fan_in, workspace, d_inputs,
                x0, params, table[layer - 1, WEIGHT], high - low, fan_in, width, 1.0,
                network.depth > 1,
            )  # fmt: skip
