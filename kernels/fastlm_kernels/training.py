"""Many training steps in one call, shared by any number of threads."""

import numpy as np

from fastlm_kernels.affine import accumulate_gradient, descend
from fastlm_kernels.arguments import (
    BIAS,
    EMBEDDING,
    FAN_IN,
    FAN_OUT,
    LAYER,
    START,
    STOP,
    WEIGHT,
    WIDTH_BEFORE,
)
from fastlm_kernels.embedding import scatter_gradient, settle_rows, update_embeddings
from fastlm_kernels.jit import exact_kernel, inner_kernel, kernel
from fastlm_kernels.rows import gather_rows, sweep_rows
from fastlm_kernels.team import claim, finish


@kernel
def train_steps(losses, state, scratch, workspace, sync, tokens, rates, network, plan, first_step):
    """Run the steps first_step, first_step + 1, ...: one per element of ``rates``.

    losses : float64[steps], the mean loss of each batch before its update (nats), written
    workspace : Workspace, each thread's own
    sync : int64[SYNC_SIZE], zeros; the same array for all threads of the call
    rates : float64[steps], the learning rates
    Every thread of the team makes this same call. Per step a row sweep (phase 1) and, once all rows
    are done, the weight and embedding updates (phase 2), both in tiles that do not depend on the
    number of threads: the result is the same bits for any number.

    Each step also prepares the next: phase 1 gathers its contexts, phase 2 settles the rows they
    name. A cycle before the first step does only that; where the step before has just been run it
    changes nothing.
    """
    row_tiles = plan.row_tiles
    per_cycle = row_tiles + plan.updates.shape[0]
    while True:
        ticket = claim(sync, (rates.size + 1) * per_cycle, per_cycle, row_tiles)
        if ticket < 0:
            return
        nth = ticket // per_cycle - 1
        tile = ticket % per_cycle
        step = first_step + nth
        if tile < row_tiles:
            first = tile * plan.row_tile
            last = min(plan.batch, first + plan.row_tile)
            gather_rows(scratch, tokens, network, plan, step + 1, first, last)
            if nth >= 0:
                if tile == 0:
                    # Read in the second phase, by the settling of rows for the next step.
                    state.rates[step % state.rates.size] = rates[nth]
                scratch.tile_losses[tile] = sweep_rows(
                    scratch, workspace, state.params, network, plan, step, first, last
                )
        elif nth >= 0:
            if tile == row_tiles:
                losses[nth] = mean_loss(scratch.tile_losses, plan.batch)
            run_update(state, scratch, workspace, network, plan, tile - row_tiles, step, rates[nth])
        elif plan.updates[tile - row_tiles, LAYER] == EMBEDDING:
            settle_rows(
                state.params, state.momentum, state.row_steps, scratch.contexts[first_step % 2],
                state.rates, plan.updates[tile - row_tiles, START],
                plan.updates[tile - row_tiles, STOP], network.embed, first_step, plan.beta,
                plan.embed_scale,
            )  # fmt: skip
        finish(sync)


@exact_kernel
def mean_loss(tile_losses, batch):
    total = 0.0
    for tile in range(tile_losses.size):
        total += tile_losses[tile]
    return total / batch


@inner_kernel
def run_update(state, scratch, workspace, network, plan, tile, step, rate):
    """One tile of phase 2: momentum and weights of some columns of a layer, or of some rows of the
    embeddings. M = beta M + ((1 - beta) / B) A^T D is one product, then W -= rate M while M is in
    cache."""
    table = network.layers
    layer = plan.updates[tile, LAYER]
    start = plan.updates[tile, START]
    stop = plan.updates[tile, STOP]
    scale = (1.0 - plan.beta) / plan.batch
    if layer == EMBEDDING:
        update_embeddings(
            state.params, state.momentum, state.row_steps, scratch.contexts[step % 2],
            scratch.contexts[(step + 1) % 2], scratch.d_inputs, state.rates, start, stop,
            network.vocab, network.context, network.embed, network.mean, step, rate,
            plan.beta, scale / network.context if network.mean else scale, plan.embed_scale,
        )  # fmt: skip
        return
    fan_in = table[layer, FAN_IN]
    fan_out = table[layer, FAN_OUT]
    out0 = output_offset(network, plan.batch, layer)
    d_out = scratch.d_inputs if layer + 1 < table.shape[0] else scratch.logits
    accumulate_gradient(
        state.momentum, workspace, scratch.inputs, plan.batch * table[layer, WIDTH_BEFORE],
        d_out, out0, table[layer, WEIGHT], table[layer, BIAS], plan.batch, fan_in, fan_out,
        start, stop, scale, plan.beta,
    )  # fmt: skip
    descend(
        state.params, state.momentum, table[layer, WEIGHT], table[layer, BIAS],
        fan_in, fan_out, start, stop, rate,
    )  # fmt: skip


@inner_kernel
def output_offset(network, batch, layer):
    """Where a layer's output begins, in the inputs of the next; the logits have their own array."""
    if layer + 1 < network.layers.shape[0]:
        return batch * network.layers[layer + 1, WIDTH_BEFORE]
    return np.int64(0)


@kernel
def batch_gradient(grad, scratch, workspace, tokens, params, network, plan, step):
    """The gradient of the mean loss of the batch of ``step``, materialised; returns that loss.

    grad : float32[n], written. One thread; the sums are those of ``train_steps``.
    """
    table = network.layers
    n_layers = table.shape[0]
    for tile in range(plan.row_tiles):
        first = tile * plan.row_tile
        last = min(plan.batch, first + plan.row_tile)
        gather_rows(scratch, tokens, network, plan, step, first, last)
        scratch.tile_losses[tile] = sweep_rows(
            scratch, workspace, params, network, plan, step, first, last
        )
    scale = 1.0 / plan.batch
    embeddings = grad[: network.vocab * network.embed]
    for k in range(embeddings.size):
        embeddings[k] = np.float32(0)
    scatter_gradient(
        embeddings, scratch.contexts[step % 2], scratch.d_inputs, network.context, network.embed,
        network.mean, scale / network.context if network.mean else scale,
    )  # fmt: skip
    for layer in range(n_layers):
        out0 = output_offset(network, plan.batch, layer)
        d_out = scratch.d_inputs if layer + 1 < n_layers else scratch.logits
        fan_out = table[layer, FAN_OUT]
        accumulate_gradient(
            grad, workspace, scratch.inputs, plan.batch * table[layer, WIDTH_BEFORE], d_out, out0,
            table[layer, WEIGHT], table[layer, BIAS], plan.batch, table[layer, FAN_IN], fan_out,
            np.int64(0), fan_out, scale, 0.0,
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
