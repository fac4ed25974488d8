"""Many training steps in one call, shared by any number of threads (``runtime.scheduler``).

Momentum is applied without a separate gradient: M = beta M + ((1 - beta) / B) A^T D is one product
per tile of weights, then W -= rate M while M is in the cache (``layers.affine.apply_momentum``).
"""

from __future__ import annotations

import numpy as np

from fastlm_kernels.layers.adaptive_softmax import part_of, part_rows
from fastlm_kernels.layers.affine import accumulate_gradient, apply_momentum
from fastlm_kernels.layers.embedding import (
    fill_decays,
    scatter_gradient,
    update_embeddings,
    update_far,
)
from fastlm_kernels.layers.output_columns import (
    add_columns,
    backward_columns_block,
    block_columns,
    block_logits,
    column_sums,
    forward_columns,
)
from fastlm_kernels.layers.token_table_training import (
    fill_training_table,
    position_gradient,
    table_embedding_gradient,
    update_position,
    update_table_embeddings,
)
from fastlm_kernels.passes.rows import (
    backward_sweep,
    forward_sweep,
    gather_rows,
    gathered_buffer,
    sort_rows,
    uses_transposed_input,
)
from fastlm_kernels.runtime.arguments import (
    BIAS,
    COLUMN_SUMS,
    COLUMNS,
    COLUMNS_BACKWARD,
    EMBEDDING,
    FAN_IN,
    FAN_OUT,
    FAR,
    LAYER,
    ROWS,
    ROWS_BACKWARD,
    SORT,
    START,
    STOP,
    TABLE_EMBEDDINGS,
    TABLE_FILL,
    TABLE_POSITION,
    UPDATES,
    WEIGHT,
    WIDTH_BEFORE,
)
from fastlm_kernels.runtime.jit import exact_kernel, inner_kernel, kernel
from fastlm_kernels.runtime.scheduler import next_tile, phase_of, tile_done


@kernel
def train_steps(
    losses, state, scratch, workspace, worker, tokens, rates, network, plan, first_step
):
    """Run the steps first_step, first_step + 1, ...: one per element of ``rates``.

    Every thread makes this same call. A step has these phases, all in tiles that do not depend on
    the number of threads, so the result is the same bits for any number:

    ROWS : forward and backward for tiles of rows (``passes.rows``)
    COLUMNS, COLUMN_SUMS, COLUMNS_BACKWARD, ROWS_BACKWARD : where the output, or a part of it, is
        swept by columns (``layers.output_columns``), ROWS stops before it; its weights are updated
        in COLUMNS_BACKWARD, and ROWS_BACKWARD does the rest of the rows
    UPDATES : all other weights, and the embeddings
    TABLE_EMBEDDINGS, TABLE_FILL : with a token table UPDATES leaves the embeddings' gradients per
        position; the first adds them up and updates the embeddings, the second computes the table

    Each step also prepares the next: ROWS gathers its contexts, UPDATES (or TABLE_EMBEDDINGS)
    settles the rows they name and sorts the examples by cluster, TABLE_FILL computes its table. A
    cycle before the first step does only that; directly after the step before it changes nothing.

    losses : float64[steps], the mean loss of each batch before its update (nats), written
    state : State, scratch : Scratch, both changed
    workspace : Workspace, each thread's own
    worker : Worker, with the same shared counters for all threads of the call
    rates : float64[steps], the learning rates
    """
    per_cycle = plan.phases[TABLE_FILL + 1]
    cycles = rates.size + 1 if rates.size > 0 else 0
    while True:
        ticket = next_tile(worker, cycles * per_cycle, plan.phases)
        if ticket < 0:
            return
        nth = ticket // per_cycle - 1
        phase = phase_of(plan.phases, ticket % per_cycle)
        tile = ticket % per_cycle - plan.phases[phase]
        step = first_step + nth
        # For the phases that go by rows.
        first = tile * plan.row_tile
        last = min(plan.batch, first + plan.row_tile)
        if phase == ROWS:
            gather_rows(scratch, tokens, network, plan, step + 1, first, last)
            if tile == 0:  # what UPDATES reads to settle rows for the next step
                if nth >= 0:
                    state.rates[step % state.rates.size] = rates[nth]
                    copy_far_weights(scratch.far_weights, state.params, network)
                fill_decays(scratch.decays, state.rates, step + 1, plan.beta)
            if nth >= 0:
                scratch.tile_losses[tile] = forward_sweep(
                    scratch, workspace, state.params, network, plan, step, first, last
                )
                if plan.columns.shape[0] == 0:
                    phase = ROWS_BACKWARD
        rate = 0.0
        if nth >= 0:
            rate = rates[nth]
        if phase == TABLE_FILL:
            fill_training_table(scratch, workspace, state.params, network, plan, step + 1, tile)
        elif phase == TABLE_EMBEDDINGS:
            update_table_embeddings(
                state, scratch, network, plan, step, tile, rate, (1.0 - plan.beta) / plan.batch,
                np.int64(nth < 0),
            )  # fmt: skip
        elif phase == UPDATES or (phase == COLUMNS_BACKWARD and nth >= 0):
            if phase == UPDATES and tile == 0 and nth >= 0:
                losses[nth] = mean_loss(scratch.tile_losses, plan.batch)
            run_update(
                state, scratch, workspace, network, plan, phase, tile, step, rate,
                np.int64(nth < 0),
            )  # fmt: skip
        elif nth >= 0:
            if phase == COLUMNS:
                forward_columns(scratch, workspace, state.params, network, plan, step, tile)
            elif phase == COLUMN_SUMS:
                scratch.tile_losses[tile] += column_sums(scratch, network, plan, step, first, last)
            elif phase == ROWS_BACKWARD:
                add_columns(scratch, workspace, state.params, network, plan, step, first, last)
                backward_sweep(scratch, workspace, state.params, network, plan, step, first, last)
        tile_done(worker)


@exact_kernel
def mean_loss(tile_losses, batch):
    """Return the mean loss of a batch from the sums of its row tiles (nats)."""
    total = 0.0
    for tile in range(tile_losses.size):
        total += tile_losses[tile]
    return total / batch


@inner_kernel
def copy_far_weights(far_weights, params, network):
    """Copy the pools' weights for the phase in which another tile updates them."""
    first = network.vocab * network.embed
    for j in range((network.span - network.context) * network.embed):
        far_weights[j] = params[first + j]


@inner_kernel
def run_update(state, scratch, workspace, network, plan, phase, tile, step, rate, only_prepare):
    """Run one tile of COLUMNS_BACKWARD or UPDATES: columns of a layer, or rows of the embeddings.

    only_prepare : 1 before the first step: only what the next step needs is done
    """
    table = network.layers
    tiles = plan.updates
    if phase == COLUMNS_BACKWARD:
        tiles = plan.columns
    layer = tiles[tile, LAYER]
    start = tiles[tile, START]
    stop = tiles[tile, STOP]
    scale = (1.0 - plan.beta) / plan.batch
    if layer == SORT:
        sort_rows(scratch, network, plan, step + 1)
    elif layer == EMBEDDING:
        update_embeddings(
            state.params, state.momentum, state.row_steps, scratch.contexts[step % 2],
            scratch.contexts[gathered_buffer(network, step + 1)], scratch.occurrences[start],
            scratch.d_inputs, scratch.far_weights, scratch.decays, start, stop, network,
            table[0, FAN_IN], step, rate, plan.beta, scale, plan.embed_scale, only_prepare,
        )  # fmt: skip
    elif only_prepare:
        return
    elif layer == TABLE_POSITION:
        update_position(state, scratch, workspace, network, plan, step, start, rate, scale)
    elif layer == FAR:
        update_far(
            state.params, state.momentum, scratch.d_far, plan.row_tiles, network, rate, plan.beta,
            scale,
        )  # fmt: skip
    else:
        while start < stop:
            width = stop - start
            d0 = np.int64(-1)
            if phase == COLUMNS_BACKWARD:
                width = block_columns(plan, tile, start)
                d0 = block_logits(network, plan, scratch.cluster_starts[step % 2], tile, start)
                backward_columns_block(
                    scratch, workspace, state.params, network, plan, step, tile, start
                )
            layer_gradient(
                state.momentum, scratch, workspace, network, plan, step, layer, start,
                start + width, d0, scale, plan.beta,
            )  # fmt: skip
            apply_momentum(
                state.params, state.momentum, table[layer, WEIGHT], table[layer, BIAS],
                table[layer, FAN_IN], table[layer, FAN_OUT], start, start + width, rate,
            )  # fmt: skip
            start += width


@inner_kernel
def layer_gradient(
    target, scratch, workspace, network, plan, step, layer, start, stop, d0, scale, beta
):  # fmt: skip
    """Compute target = beta * target + scale * gradient for the columns start to stop of one layer.

    The rows are the whole batch, or for a projection or tail those of its cluster.

    target : float32[n], the momentum or a gradient, changed
    d0 : for a block of columns of the output its offset in scratch.logits, else -1
    """
    table = network.layers
    fan_in = table[layer, FAN_IN]
    fan_out = table[layer, FAN_OUT]
    first = np.int64(0)
    last = plan.batch
    if layer >= network.depth:
        part = part_of(network, layer)
        first, last = part_rows(scratch.cluster_starts[step % 2], part, first, last)
    d_out = scratch.logits
    ldd = fan_out
    if d0 >= 0:
        ldd = stop - start
    elif layer == network.depth - 1:
        d0 = start
    else:  # it is the input of the next layer
        d_out = scratch.d_inputs
        d0 = plan.batch * table[layer + 1, WIDTH_BEFORE] + first * fan_out + start
    x = scratch.inputs
    x0 = plan.batch * table[layer, WIDTH_BEFORE]
    x_row, x_column = fan_in, np.int64(1)
    if uses_transposed_input(network, plan, layer):
        x = scratch.inputs_t
        x_row, x_column = np.int64(1), plan.batch
    accumulate_gradient(
        target, workspace, x, x0 + first * x_row, x_row, x_column, d_out, d0, ldd,
        table[layer, WEIGHT], table[layer, BIAS], last - first, fan_in, fan_out, start, stop,
        scale, beta,
    )  # fmt: skip


@kernel
def batch_gradient(grad, scratch, workspace, tokens, params, network, plan, step):
    """Materialise the gradient of the mean loss of the batch of ``step``; return that loss (nats).

    It runs in one thread; the sums are those of ``train_steps``.

    grad : float32[n], written
    """
    table = network.layers
    gather_rows(scratch, tokens, network, plan, step, np.int64(0), plan.batch)
    if network.cutoffs.size > 1:
        sort_rows(scratch, network, plan, step)
    copy_far_weights(scratch.far_weights, params, network)
    if plan.table_tiles:
        for position in range(network.context):
            fill_training_table(scratch, workspace, params, network, plan, step, np.int64(position))
    for tile in range(plan.row_tiles):
        first = tile * plan.row_tile
        last = min(plan.batch, first + plan.row_tile)
        scratch.tile_losses[tile] = forward_sweep(
            scratch, workspace, params, network, plan, step, first, last
        )
    for tile in range(plan.columns.shape[0]):
        forward_columns(scratch, workspace, params, network, plan, step, tile)
    scale = 1.0 / plan.batch
    if plan.columns.shape[0] > 0:
        for tile in range(plan.row_tiles):
            first = tile * plan.row_tile
            last = min(plan.batch, first + plan.row_tile)
            scratch.tile_losses[tile] += column_sums(scratch, network, plan, step, first, last)
    for tile in range(plan.columns.shape[0]):
        start = plan.columns[tile, START]
        while start < plan.columns[tile, STOP]:
            stop = start + block_columns(plan, tile, start)
            backward_columns_block(scratch, workspace, params, network, plan, step, tile, start)
            layer_gradient(
                grad, scratch, workspace, network, plan, step, plan.columns[tile, LAYER], start,
                stop, block_logits(network, plan, scratch.cluster_starts[step % 2], tile, start),
                scale, 0.0,
            )  # fmt: skip
            start = stop
    for tile in range(plan.row_tiles):
        first = tile * plan.row_tile
        last = min(plan.batch, first + plan.row_tile)
        add_columns(scratch, workspace, params, network, plan, step, first, last)
        backward_sweep(scratch, workspace, params, network, plan, step, first, last)
    embeddings = grad[: network.vocab * network.embed]
    for k in range(embeddings.size):
        embeddings[k] = np.float32(0)
    if plan.table_tiles:
        for position in range(network.context):
            position_gradient(
                grad,
                scratch,
                workspace,
                params,
                network,
                plan,
                step,
                np.int64(position),
                scale,
                0.0,
            )
        for table_row in range(scratch.token_table.ids.size):
            table_embedding_gradient(grad, scratch, network, np.int64(table_row), scale, 0.0)
    else:
        scatter_gradient(
            embeddings, scratch.contexts[step % 2], scratch.d_inputs, scratch.far_weights, network,
            table[0, FAN_IN], scale,
        )  # fmt: skip
    size = (network.span - network.context) * network.embed
    for j in range(size):
        total = np.float32(0)
        for tile in range(plan.row_tiles):
            total += scratch.d_far[tile * size + j]
        grad[embeddings.size + j] = np.float32(scale) * total
    for tile in range(plan.updates.shape[0]):
        if plan.updates[tile, LAYER] >= 0:
            layer_gradient(
                grad, scratch, workspace, network, plan, step, plan.updates[tile, LAYER],
                plan.updates[tile, START], plan.updates[tile, STOP], np.int64(-1), scale, 0.0,
            )  # fmt: skip
    return mean_loss(scratch.tile_losses, plan.batch)


@exact_kernel
def count_nonfinite(array):
    """Count the infinite and NaN elements of float32[any]; fast math could not tell."""
    count = 0
    for i in range(array.size):
        if not np.isfinite(array[i]):
            count += 1
    return count
