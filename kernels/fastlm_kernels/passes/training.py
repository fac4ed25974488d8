"""Many training steps in one call, shared by any number of threads (``runtime.scheduler``).

Momentum is applied without a separate gradient: M = beta M + ((1 - beta) / B) A^T D is one product
per tile of weights, then W -= rate M while M is in the cache (``layers.affine.apply_momentum``).
"""

from __future__ import annotations

import numpy as np

from fastlm_kernels.layers.embedding import fill_decays, scatter_gradient
from fastlm_kernels.layers.output import sweep_output
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
)
from fastlm_kernels.passes.rows import backward_sweep, forward_sweep, gather_rows, sort_rows
from fastlm_kernels.passes.units import layer_gradient
from fastlm_kernels.runtime.arguments import (
    COLUMN_SUMS,
    COLUMNS,
    COLUMNS_BACKWARD,
    EMBEDDING,
    FAN_IN,
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
)
from fastlm_kernels.runtime.jit import exact_kernel, inner_kernel, kernel
from fastlm_kernels.runtime.scheduler import next_tile, phase_of, tile_done
from fastlm_kernels.runtime.units import call_unit, share


@kernel
def train_steps(
    losses, state, scratch, workspace, worker, units, tokens, rates, network, plan, first_step
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
    units : passes.units.Units, the addresses of those that this model and plan need
    rates : float64[steps], the learning rates
    """
    none = np.int64(-1)
    shared = share((state, scratch, workspace, network, plan))
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
                call_unit(units.forward, shared, step, first, last, none, none, 0.0)
                loss = 0.0
                if not plan.sweeps_columns:
                    loss = call_unit(units.output, shared, step, first, last, none, none, 0.0)
                scratch.tile_losses[tile] = loss
                if plan.columns.shape[0] == 0:
                    phase = ROWS_BACKWARD
        rate = 0.0
        if nth >= 0:
            rate = rates[nth]
        only_prepare = np.int64(nth < 0)
        if phase == TABLE_FILL:
            call_unit(units.table_fill, shared, step + 1, tile, none, none, none, rate)
        elif phase == TABLE_EMBEDDINGS:
            call_unit(units.table_embeddings, shared, step, tile, none, only_prepare, none, rate)
        elif phase == UPDATES or (phase == COLUMNS_BACKWARD and nth >= 0):
            if phase == UPDATES and tile == 0 and nth >= 0:
                losses[nth] = mean_loss(scratch.tile_losses, plan.batch)
            run_update(shared, units, scratch, network, plan, phase, tile, step, rate, only_prepare)
        elif nth >= 0:
            if phase == COLUMNS:
                call_unit(units.columns, shared, step, tile, none, none, none, rate)
            elif phase == COLUMN_SUMS:
                scratch.tile_losses[tile] += call_unit(
                    units.column_sums, shared, step, first, last, none, none, rate
                )
            elif phase == ROWS_BACKWARD:
                if plan.columns.shape[0] > 0:
                    call_unit(units.columns_to_rows, shared, step, first, last, none, none, rate)
                call_unit(units.backward, shared, step, first, last, none, none, rate)
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
def run_update(
    shared, units, scratch, network, plan, phase, tile, step, rate, only_prepare
):  # fmt: skip
    """Run one tile of COLUMNS_BACKWARD or UPDATES: columns of a layer, or rows of the embeddings.

    only_prepare : 1 before the first step: only what the next step needs is done
    """
    tiles = plan.updates
    if phase == COLUMNS_BACKWARD:
        tiles = plan.columns
    layer = tiles[tile, LAYER]
    start = tiles[tile, START]
    stop = tiles[tile, STOP]
    none = np.int64(-1)
    if layer == SORT:
        call_unit(units.sort, shared, step + 1, none, none, none, none, rate)
    elif layer == EMBEDDING:
        call_unit(units.embeddings, shared, step, start, stop, only_prepare, none, rate)
    elif only_prepare:
        return
    elif layer == TABLE_POSITION:
        call_unit(units.table_position, shared, step, start, none, none, none, rate)
    elif layer == FAR:
        call_unit(units.far, shared, step, none, none, none, none, rate)
    else:
        while start < stop:
            width = stop - start
            d0 = none
            if phase == COLUMNS_BACKWARD:
                width = block_columns(plan, tile, start)
                d0 = block_logits(network, plan, scratch.cluster_starts[step % 2], tile, start)
                call_unit(units.columns_backward, shared, step, tile, start, none, none, rate)
            call_unit(units.layer, shared, step, start, start + width, layer, d0, rate)
            start += width


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
        forward_sweep(scratch, workspace, params, network, plan, step, first, last)
        scratch.tile_losses[tile] = 0.0
        if not plan.sweeps_columns:
            scratch.tile_losses[tile] = sweep_output(
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
                stop - start, scale, 0.0,
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
                plan.updates[tile, START], plan.updates[tile, STOP], np.int64(-1), np.int64(0),
                scale, 0.0,
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
