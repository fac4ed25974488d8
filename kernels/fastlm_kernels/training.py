"""Many training steps in one call, shared by any number of threads."""

import numpy as np

from fastlm_kernels.affine import accumulate_gradient, descend
from fastlm_kernels.arguments import (
    BIAS,
    EMBEDDING,
    FAN_IN,
    FAN_OUT,
    FAR,
    LAYER,
    SORT,
    START,
    STOP,
    WEIGHT,
    WIDTH_BEFORE,
)
from fastlm_kernels.embedding import (
    fill_decays,
    scatter_gradient,
    update_embeddings,
    update_far,
)
from fastlm_kernels.jit import exact_kernel, inner_kernel, kernel
from fastlm_kernels.learnt_shares import make_shares
from fastlm_kernels.rows import (
    gather_rows,
    gathered_place,
    sort_rows,
    sweep_rows,
    tail_logits,
)
from fastlm_kernels.team import claim, finish


@kernel
def train_steps(losses, state, scratch, workspace, team, tokens, rates, network, plan, first_step):
    """Run the steps first_step, first_step + 1, ...: one per element of ``rates``.

    losses : float64[steps], the mean loss of each batch before its update (nats), written
    workspace : Workspace, each thread's own
    team : Team, of the same counters for all threads of the call
    rates : float64[steps], the learning rates
    Every thread of the team makes this same call. Per step a row sweep (phase 1) and, once all rows
    are done, the weight and embedding updates (phase 2), both in tiles that do not depend on the
    number of threads: the result is the same bits for any number.

    Each step also prepares the next: phase 1 gathers its contexts, phase 2 settles the rows they
    name, and sorts the examples by cluster where the softmax is adaptive, phase 3 computes the
    shares of the first layer where it is a sum of them. A cycle before the first step does only
    that; where the step before has just been run it changes nothing.
    """
    row_tiles = plan.row_tiles
    third = row_tiles + plan.updates.shape[0]
    per_cycle = third + (network.context if plan.by_table else 0)
    cycles = rates.size + 1 if rates.size > 0 else 0
    while True:
        ticket = claim(team, cycles * per_cycle, per_cycle, row_tiles, third)
        if ticket < 0:
            return
        nth = ticket // per_cycle - 1
        tile = ticket % per_cycle
        step = first_step + nth
        if tile < row_tiles:
            first = tile * plan.row_tile
            last = min(plan.batch, first + plan.row_tile)
            gather_rows(scratch, tokens, network, plan, step + 1, first, last)
            if tile == 0:  # what the second phase reads to settle rows for the next step
                if nth >= 0:
                    state.rates[step % state.rates.size] = rates[nth]
                    keep_far(scratch.far, state.params, network)
                fill_decays(scratch.decays, state.rates, step + 1, plan.beta)
            if nth >= 0:
                scratch.tile_losses[tile] = sweep_rows(
                    scratch, workspace, state.params, network, plan, step, first, last
                )
        elif tile >= third:
            make_shares(scratch, workspace, state.params, network, plan, step + 1, tile - third)
        else:
            rate = 0.0
            if nth >= 0:
                rate = rates[nth]
                if tile == row_tiles:
                    losses[nth] = mean_loss(scratch.tile_losses, plan.batch)
            run_update(
                state, scratch, workspace, network, plan, tile - row_tiles, step, rate,
                np.int64(nth < 0),
            )  # fmt: skip
        finish(team)


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
def run_update(state, scratch, workspace, network, plan, tile, step, rate, only_prepare):
    """One tile of phase 2: momentum and weights of some columns of a layer, or of some rows of the
    embeddings. M = beta M + ((1 - beta) / B) A^T D is one product, then W -= rate M while M is in
    cache.

    only_prepare : 1 before the first step: only what the next step needs is done
    """
    table = network.layers
    layer = plan.updates[tile, LAYER]
    start = plan.updates[tile, START]
    stop = plan.updates[tile, STOP]
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
    elif layer == FAR:
        update_far(
            state.params, state.momentum, scratch.d_far, plan.row_tiles, network, rate, plan.beta,
            scale,
        )  # fmt: skip
    else:
        layer_gradient(
            state.momentum, scratch, workspace, network, plan, step, layer, start, stop, scale,
            plan.beta,
        )  # fmt: skip
        descend(
            state.params, state.momentum, table[layer, WEIGHT], table[layer, BIAS],
            table[layer, FAN_IN], table[layer, FAN_OUT], start, stop, rate,
        )  # fmt: skip


@inner_kernel
def layer_gradient(
    target, scratch, workspace, network, plan, step, layer, start, stop, scale, beta
):  # fmt: skip
    """target = beta * target + scale * gradient for the columns start to stop of one layer.

    The rows of the batch are all, or of a projection or tail those of its cluster.
    """
    table = network.layers
    batch = plan.batch
    fan_in = table[layer, FAN_IN]
    fan_out = table[layer, FAN_OUT]
    first = np.int64(0)
    last = batch
    d_out = scratch.d_inputs
    out0 = np.int64(0)
    if layer + 1 < network.depth:
        out0 = batch * table[layer + 1, WIDTH_BEFORE]
    elif layer < network.depth:
        d_out = scratch.logits
    else:
        cluster = (layer - network.depth) // 2 + 1
        starts = scratch.starts[step % 2]
        first = starts[cluster]
        last = starts[cluster - 1]
        if (layer - network.depth) % 2 == 0:
            out0 = batch * table[layer + 1, WIDTH_BEFORE] + first * fan_out
        else:
            d_out = scratch.logits
            out0 = tail_logits(network, starts, batch, cluster)
    accumulate_gradient(
        target, workspace, scratch.inputs, batch * table[layer, WIDTH_BEFORE] + first * fan_in,
        d_out, out0, table[layer, WEIGHT], table[layer, BIAS], last - first, fan_in, fan_out,
        start, stop, scale, beta,
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
        scratch.tile_losses[tile] = sweep_rows(
            scratch, workspace, params, network, plan, step, first, last
        )
    scale = 1.0 / plan.batch
    embeddings = grad[: network.vocab * network.embed]
    for k in range(embeddings.size):
        embeddings[k] = np.float32(0)
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
    for layer in range(table.shape[0]):
        layer_gradient(
            grad, scratch, workspace, network, plan, step, layer, np.int64(0),
            table[layer, FAN_OUT], scale, 0.0,
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
