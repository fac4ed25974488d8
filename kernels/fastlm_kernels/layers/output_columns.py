"""A wide output layer by tiles of columns: each block of columns for all rows that need it.

A wide output's weights do not fit in a cache. Sweeping it with the rows, some at a time, would
fetch them from memory for each tile of rows, forward and backward. Here a block of columns stays in
the cache for the whole batch: its logits forward; on the way back the gradient, the weights and
their momentum, up to the update. Clusters of an adaptive softmax, which few rows belong to, are
swept the same way: their tiles are of one size however the rows fall.

The softmax needs sums over all columns, so there are three phases: the tiles up to their
exponentials (``forward_columns``), the sums (``column_sums``), and the tiles from there to the
gradient (``backward_columns_block``) and the update. Each tile keeps what it adds to the gradient
of its input apart, and ``add_columns`` adds it up in one order.
"""

from __future__ import annotations

import numpy as np

from fastlm_kernels.layers.adaptive_softmax import (
    output_of,
    part_logits,
    part_of,
    part_rows,
    target_column,
)
from fastlm_kernels.layers.affine import affine_backward
from fastlm_kernels.layers.output import backward_block, forward_block
from fastlm_kernels.layers.softmax import (
    STATE_MAX,
    STATE_SUM,
    STATE_TARGET,
    loss_from_state,
    merge_states,
)
from fastlm_kernels.runtime.arguments import (
    BLOCK,
    D_INPUT_BEFORE,
    FAN_IN,
    LAYER,
    START,
    STOP,
    WEIGHT,
    WIDTH_BEFORE,
)
from fastlm_kernels.runtime.jit import inner_kernel

F = np.float32


@inner_kernel
def forward_columns(scratch, workspace, params, network, plan, step, tile):
    """Compute a tile's logits up to their exponentials, for the rows that have them."""
    part = part_of(network, plan.columns[tile, LAYER])
    starts = scratch.cluster_starts[step % 2]
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
            tile_state_row(plan, tile) + low, block,
        )  # fmt: skip
        start += columns
        block += 1


@inner_kernel
def block_columns(plan, tile, start):
    """Return the number of columns of a tile's block that begins at column ``start``."""
    return min(plan.columns[tile, BLOCK], plan.columns[tile, STOP] - start)


@inner_kernel
def block_logits(network, plan, starts, tile, start):
    """Return the offset of a block's logits; those of all its rows lie together."""
    part = part_of(network, plan.columns[tile, LAYER])
    low, high = part_rows(starts, part, np.int64(0), plan.batch)
    return part_logits(network, starts, plan.batch, part) + (high - low) * start


@inner_kernel
def tile_state_row(plan, tile):
    """Return the first row of a tile in ``scratch.softmax_state``, after those of the rows."""
    return (1 + tile) * plan.batch


@inner_kernel
def backward_columns_block(scratch, workspace, params, network, plan, step, tile, start):
    """Turn a block's exponentials into d_logits, and add to the tile's gradient of its input."""
    part = part_of(network, plan.columns[tile, LAYER])
    starts = scratch.cluster_starts[step % 2]
    low, high = part_rows(starts, part, np.int64(0), plan.batch)
    if low < high:
        columns = block_columns(plan, tile, start)
        before = start - plan.columns[tile, START]
        backward_block(
            scratch.d_columns, plan.batch * plan.columns[tile, D_INPUT_BEFORE], scratch, workspace,
            params, network, plan, step, part, low, high,
            block_logits(network, plan, starts, tile, start), columns, start, columns,
            tile_state_row(plan, tile) + low, before // plan.columns[tile, BLOCK],
            0.0 if before == 0 else 1.0,
        )  # fmt: skip


@inner_kernel
def column_sums(scratch, network, plan, step, first, last):
    """Merge the softmax states of all tiles, for the rows first to last; return their loss (nats).

    The loss is that of the parts that are swept by columns.
    """
    starts = scratch.cluster_starts[step % 2]
    targets = scratch.targets[step % 2]
    states = scratch.softmax_state
    loss = 0.0
    tile = np.int64(0)
    while tile < plan.columns.shape[0]:
        layer = plan.columns[tile, LAYER]
        stop_tile = tile + 1
        while stop_tile < plan.columns.shape[0] and plan.columns[stop_tile, LAYER] == layer:
            stop_tile += 1
        part = part_of(network, layer)
        low, high = part_rows(starts, part, first, last)
        for row in range(low, high):
            at = target_column(part, np.int64(targets[row]), network.cutoffs)
            states[row, STATE_MAX] = -np.inf
            states[row, STATE_SUM] = 0.0
            for t in range(tile, stop_tile):
                state = states[tile_state_row(plan, t) + row]
                merge_states(states[row], state)
                if plan.columns[t, START] <= at < plan.columns[t, STOP]:
                    states[row, STATE_TARGET] = state[STATE_TARGET]
            loss += loss_from_state(states[row])
            for t in range(tile, stop_tile):
                state = states[tile_state_row(plan, t) + row]
                state[STATE_MAX] = states[row, STATE_MAX]
                state[STATE_SUM] = states[row, STATE_SUM]
        tile = stop_tile
    return loss


@inner_kernel
def add_columns(scratch, workspace, params, network, plan, step, first, last):
    """Add up the tiles' gradients of the output's input, for the rows first to last."""
    table = network.layers
    starts = scratch.cluster_starts[step % 2]
    d_inputs = scratch.d_inputs
    for part in range(network.cutoffs.size):
        if part == 0 and not plan.sweeps_columns:
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
                start = plan.batch * plan.columns[tile, D_INPUT_BEFORE] + (low - of_part) * width
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
