"""Many training steps in one call, shared by any number of threads."""

from __future__ import annotations

import numpy as np

from fastlm_kernels.layers.adaptive_softmax import part_of, part_rows
from fastlm_kernels.layers.affine import accumulate_gradient, descend
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
    make_shares,
    place_gradient,
    update_place,
    update_vectors,
    vector_gradient,
)
from fastlm_kernels.passes.rows import (
    backward_sweep,
    forward_sweep,
    gather_rows,
    gathered_place,
    sort_rows,
    takes_transposed,
)
from fastlm_kernels.runtime.arguments import (
    BIAS,
    COLUMNS,
    COLUMNS_BACK,
    EMBEDDING,
    FAN_IN,
    FAN_OUT,
    FAR,
    LAYER,
    PLACE_OF_TABLE,
    ROWS,
    ROWS_BACK,
    SHARES,
    SORT,
    START,
    STOP,
    SUMS,
    UPDATES,
    VECTORS,
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

    losses : float64[steps], the mean loss of each batch before its update (nats), written
    workspace : Workspace, each thread's own
    team : Team, of the same counters for all threads of the call
    rates : float64[steps], the learning rates
    Every thread of the team makes this same call. A step is a row sweep (ROWS) and, once all rows
    are done, the weight and embedding updates (UPDATES), both in tiles that do not depend on the
    number of threads: the result is the same bits for any number. Where the output, or a part of
    it, is swept by columns (COLUMNS, SUMS, COLUMNS_BACK, which updates them too; see
    ``fastlm_kernels.layers.output_columns``), the row sweep stops before it, and goes back after it
    (ROWS_BACK).

    Where the first layer is a sum of shares, UPDATES leaves the gradients of the embeddings for
    each place of the context, and VECTORS adds them up and updates the embeddings.

    Each step also prepares the next: ROWS gathers its contexts, UPDATES (or VECTORS) settles the
    rows they name, and sorts the examples by cluster where the softmax is adaptive, SHARES computes
    the shares of the first layer where it is a sum of them. A cycle before the first step does only
    that; where the step before has just been run it changes nothing.
    """
    per_cycle = plan.phases[SHARES + 1]
    cycles = rates.size + 1 if rates.size > 0 else 0
    while True:
        ticket = next_tile(worker, cycles * per_cycle, plan.phases)
        if ticket < 0:
            return
        nth = ticket // per_cycle - 1
        phase = phase_of(plan.phases, ticket % per_cycle)
        tile = ticket % per_cycle - plan.phases[phase]
        step = first_step + nth
        # Of the phases that go by rows.
        first = tile * plan.row_tile
        last = min(plan.batch, first + plan.row_tile)
        if phase == ROWS:
            gather_rows(scratch, tokens, network, plan, step + 1, first, last)
            if tile == 0:  # what UPDATES reads to settle rows for the next step
                if nth >= 0:
                    state.rates[step % state.rates.size] = rates[nth]
                    keep_far(scratch.far, state.params, network)
                fill_decays(scratch.decays, state.rates, step + 1, plan.beta)
            if nth >= 0:
                scratch.tile_losses[tile] = forward_sweep(
                    scratch, workspace, state.params, network, plan, step, first, last
                )
                if plan.columns.shape[0] == 0:
                    phase = ROWS_BACK
        rate = 0.0
        if nth >= 0:
            rate = rates[nth]
        if phase == SHARES:
            make_shares(scratch, workspace, state.params, network, plan, step + 1, tile)
        elif phase == VECTORS:
            update_vectors(
                state, scratch, network, plan, step, tile, rate, (1.0 - plan.beta) / plan.batch,
                np.int64(nth < 0),
            )  # fmt: skip
        elif phase == UPDATES or (phase == COLUMNS_BACK and nth >= 0):
            if phase == UPDATES and tile == 0 and nth >= 0:
                losses[nth] = mean_loss(scratch.tile_losses, plan.batch)
            run_update(
                state, scratch, workspace, network, plan, phase, tile, step, rate,
                np.int64(nth < 0),
            )  # fmt: skip
        elif nth >= 0:
            if phase == COLUMNS:
                forward_columns(scratch, workspace, state.params, network, plan, step, tile)
            elif phase == SUMS:
                scratch.tile_losses[tile] += column_sums(scratch, network, plan, step, first, last)
            elif phase == ROWS_BACK:
                add_columns(scratch, workspace, state.params, network, plan, step, first, last)
                backward_sweep(scratch, workspace, state.params, network, plan, step, first, last)
        tile_done(worker)


@exact_kernel
def mean_loss(tile_losses, batch):
    total = 0.0
    for tile in range(tile_losses.size):
        total += tile_losses[tile]
    return total / batch


@inner_kernel
def keep_far(far, params, network):
    """A copy of the pools' weights for the second phase, in which another tile updates them."""
    first = network.vocab * network.embed
    for j in range((network.span - network.context) * network.embed):
        far[j] = params[first + j]


@inner_kernel
def run_update(state, scratch, workspace, network, plan, phase, tile, step, rate, only_prepare):
    """One tile of COLUMNS_BACK or UPDATES: momentum and weights of some columns of a layer, or of
    some rows of the embeddings. M = beta M + ((1 - beta) / B) A^T D is one product, then W -= rate
    M while M is in cache.

    only_prepare : 1 before the first step: only what the next step needs is done
    """
    table = network.layers
    tiles = plan.updates
    if phase == COLUMNS_BACK:
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
            scratch.contexts[gathered_place(network, step + 1)], scratch.occurrences[start],
            scratch.d_inputs, scratch.far, scratch.decays, start, stop, network, table[0, FAN_IN],
            step, rate, plan.beta, scale, plan.embed_scale, only_prepare,
        )  # fmt: skip
    elif only_prepare:
        return
    elif layer == PLACE_OF_TABLE:
        update_place(state, scratch, workspace, network, plan, step, start, rate, scale)
    elif layer == FAR:
        update_far(
            state.params, state.momentum, scratch.d_far, plan.row_tiles, network, rate, plan.beta,
            scale,
        )  # fmt: skip
    else:
        while start < stop:
            width = stop - start
            d0 = np.int64(-1)
            if phase == COLUMNS_BACK:
                width = block_columns(plan, tile, start)
                d0 = block_logits(network, plan, scratch.starts[step % 2], tile, start)
                backward_columns_block(
                    scratch, workspace, state.params, network, plan, step, tile, start
                )
            layer_gradient(
                state.momentum, scratch, workspace, network, plan, step, layer, start,
                start + width, d0, scale, plan.beta,
            )  # fmt: skip
            descend(
                state.params, state.momentum, table[layer, WEIGHT], table[layer, BIAS],
                table[layer, FAN_IN], table[layer, FAN_OUT], start, start + width, rate,
            )  # fmt: skip
            start += width


@inner_kernel
def layer_gradient(
    target, scratch, workspace, network, plan, step, layer, start, stop, d0, scale, beta
):  # fmt: skip
    """target = beta * target + scale * gradient for the columns start to stop of one layer.

    d0 : of a block of columns of the output, where in scratch.logits it lies, else -1
    The rows of the batch are all, or of a projection or tail those of its cluster.
    """
    table = network.layers
    fan_in = table[layer, FAN_IN]
    fan_out = table[layer, FAN_OUT]
    first = np.int64(0)
    last = plan.batch
    if layer >= network.depth:
        part = part_of(network, layer)
        first, last = part_rows(scratch.starts[step % 2], part, first, last)
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
    if takes_transposed(network, plan, layer):
        x = scratch.inputs_t
        x_row, x_column = np.int64(1), plan.batch
    accumulate_gradient(
        target, workspace, x, x0 + first * x_row, x_row, x_column, d_out, d0, ldd,
        table[layer, WEIGHT], table[layer, BIAS], last - first, fan_in, fan_out, start, stop,
        scale, beta,
    )  # fmt: skip


@kernel
def batch_gradient(grad, scratch, workspace, tokens, params, network, plan, step):
    """The gradient of the mean loss of the batch of ``step``, materialised; returns that loss.

    grad : float32[n], written. One thread; the sums are those of ``train_steps``.
    """
    table = network.layers
    gather_rows(scratch, tokens, network, plan, step, np.int64(0), plan.batch)
    if network.cutoffs.size > 1:
        sort_rows(scratch, network, plan, step)
    keep_far(scratch.far, params, network)
    if plan.by_table:
        for place in range(network.context):
            make_shares(scratch, workspace, params, network, plan, step, np.int64(place))
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
                stop, block_logits(network, plan, scratch.starts[step % 2], tile, start), scale,
                0.0,
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
    if plan.by_table:
        for place in range(network.context):
            place_gradient(
                grad, scratch, workspace, params, network, plan, step, np.int64(place), scale, 0.0
            )
        for slot in range(scratch.table.ids.size):
            vector_gradient(grad, scratch, network, np.int64(slot), scale, 0.0)
    else:
        scatter_gradient(
            embeddings, scratch.contexts[step % 2], scratch.d_inputs, scratch.far, network,
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
    """How many elements are infinite or NaN; compiled without fast math, so that it can tell."""
    count = 0
    for i in range(array.size):
        if not np.isfinite(array[i]):
            count += 1
    return count
