"""The gradient of a batch in a fixed number of shards, and the update from their sum.

Shard s of S has the rows s, s + S, s + 2 S, ... of the batch, sorted as ``passes.rows`` sorts it:
each has its share of every cluster, and the dropout masks of the whole batch. A shard is computed
by the same calls on any process, and shards are added in one binary tree, so the sum is the same
bits however shards are dealt out to processes. (``passes.training`` adds up a batch at once.)

Arrays of all shards of a process lie one after the other in one Scratch.
"""

from __future__ import annotations

import numpy as np

from fastlm_kernels.layers.adaptive_softmax import count_clusters
from fastlm_kernels.layers.embedding import (
    SETTLE_EVERY,
    add_occurrence,
    fill_decays,
    settle_row_tabulated,
)
from fastlm_kernels.layers.output_columns import block_columns, block_logits
from fastlm_kernels.passes.rows import gather_rows, sort_rows
from fastlm_kernels.passes.training import copy_far_weights
from fastlm_kernels.passes.units import layer_gradient
from fastlm_kernels.runtime.arguments import (
    BIAS,
    EMBEDDING,
    FAN_IN,
    FAN_OUT,
    FAR,
    LAYER,
    START,
    STOP,
    WEIGHT,
    Plan,
    Scratch,
)
from fastlm_kernels.runtime.jit import inner_kernel, kernel
from fastlm_kernels.runtime.scheduler import next_tile, tile_done
from fastlm_kernels.runtime.units import call_unit, share

F = np.float32


@kernel
def prepare_batch(scratch, slots, slot_of, tokens, network, plan, step):
    """Gather and sort the batch of ``step``, and number the ids of its contexts; return how many.

    scratch : Scratch of the whole batch
    slots : int32[2, B * span], of even and odd steps, the ids in the order of their numbers
    slot_of : int32[V], the number of an id, or -1; those of the step before are cleared
    """
    gather_rows(scratch, tokens, network, plan, step, np.int64(0), plan.batch)
    if network.cutoffs.size > 1:
        sort_rows(scratch, network, plan, step)
    contexts = scratch.contexts[step % 2]
    ids = slots[step % 2]
    for id in range(slot_of.size):
        slot_of[id] = -1
    count = np.int64(0)
    for k in range(contexts.size):
        id = np.int64(contexts[k])
        if slot_of[id] < 0:
            slot_of[id] = count
            ids[count] = id
            count += 1
    return count


@kernel
def settle_rows(decays, state, ids, count, network, plan, step):
    """Bring the first ``count`` of ``ids`` up to date for the batch of ``step``."""
    fill_decays(decays, state.rates, step, plan.beta)
    for slot in range(count):
        settle_row_tabulated(
            decays, state.params, state.momentum, state.row_steps, np.int64(ids[slot]),
            network.embed, step, plan.beta, plan.embed_scale,
        )  # fmt: skip


@kernel
def shard_gradients(
    sums, losses, state, scratch, workspace, worker, units, batch, slot_of, count, network, plan,
    first_shard, shards, all_shards, phases, step,
):  # fmt: skip
    """Compute the gradients of some shards, and add them up as far as the tree allows.

    Every thread makes this same call. Afterwards sums[0], sums[1], ... are the nodes of
    ``fastlm.distributed.shards.nodes_of``: of the mean loss over the whole batch.

    sums : float32[levels, n], written: the gradients of the ``count`` numbered embeddings, in place
        of those of all, then of the other parameters
    losses : float64[shards], sums of nats, written
    scratch : Scratch of the shards, one after the other
    workspace : Workspace, each thread's own
    batch : Scratch of the whole batch, whose rows are gathered
    slot_of : int32[V], the number of an id of the contexts
    plan : Plan of one shard
    first_shard, shards, all_shards : the first, how many, and how many there are
    phases : int64[3], a tile a shard, then those of the gradients
    """
    while True:
        tile = next_tile(worker, phases[2], phases)
        if tile < 0:
            return
        if tile < shards:
            number = first_shard + tile
            own = scratch_of(scratch, tile, shards)
            shard_plan = plan_of(plan, number, all_shards)
            take_rows(own, batch, network, shard_plan, step)
            copy_far_weights(own.far_weights, state.params, network)
            shared = share((state, own, workspace, network, shard_plan))
            losses[tile] = run_shard(shared, own, units, shard_plan, step)
        else:
            nth = tile - phases[1]
            depth = np.int64(0)
            for k in range(shards):
                own = scratch_of(scratch, k, shards)
                gradient_tile(
                    sums[depth],
                    own,
                    workspace,
                    slot_of,
                    count,
                    network,
                    plan,
                    all_shards,
                    nth,
                    step,
                )
                depth += 1
                # A shard's number, in binary, says how many nodes it completes.
                number = first_shard + k + 1
                size = np.int64(1)
                while number % 2 == 0 and k + 1 >= 2 * size and depth > 1:
                    add_tile(sums[depth - 2], sums[depth - 1], count, network, plan, nth)
                    depth -= 1
                    size *= 2
                    number //= 2
        tile_done(worker)


@inner_kernel
def scratch_of(scratch, k, count):
    """Return the part of a Scratch that is shard ``k`` of ``count``."""
    inputs = scratch.inputs.size // count
    inputs_t = scratch.inputs_t.size // count
    d_columns = scratch.d_columns.size // count
    logits = scratch.logits.size // count
    states = scratch.softmax_state.shape[0] // count
    losses = scratch.tile_losses.size // count
    d_far = scratch.d_far.size // count
    far = scratch.far_weights.size // count
    return Scratch(
        scratch.contexts[3 * k : 3 * k + 3],
        scratch.targets[3 * k : 3 * k + 3],
        scratch.cluster_starts[2 * k : 2 * k + 2],
        scratch.inputs[k * inputs : (k + 1) * inputs],
        scratch.d_inputs[k * inputs : (k + 1) * inputs],
        scratch.inputs_t[k * inputs_t : (k + 1) * inputs_t],
        scratch.d_columns[k * d_columns : (k + 1) * d_columns],
        scratch.logits[k * logits : (k + 1) * logits],
        scratch.softmax_state[k * states : (k + 1) * states],
        scratch.tile_losses[k * losses : (k + 1) * losses],
        scratch.d_far[k * d_far : (k + 1) * d_far],
        scratch.far_weights[k * far : (k + 1) * far],
        scratch.occurrences,
        scratch.decays,
        scratch.token_table,
        scratch.table_offsets,
        scratch.table_embeddings,
        scratch.rows_by_token,
        scratch.token_starts,
    )


@inner_kernel
def plan_of(plan, number, all_shards):
    """Return the plan of the shard ``number``: its rows have numbers of their own."""
    return Plan(
        plan.batch, plan.row_tile, plan.row_tiles, plan.phases, plan.columns, plan.sweeps_columns,
        plan.updates, plan.logit_columns, plan.transposed_from, plan.table_tiles,
        plan.first_target, plan.examples, plan.shuffle, plan.shuffle_block, plan.shuffle_window,
        plan.seed, plan.dropout, plan.embed_dropout, plan.beta, plan.embed_scale, number,
        all_shards,
    )  # fmt: skip


@inner_kernel
def take_rows(own, batch, network, plan, step):
    """Copy a shard's contexts and targets from the batch, and count its clusters."""
    span = network.span
    contexts = own.contexts[step % 2]
    targets = own.targets[step % 2]
    all_contexts = batch.contexts[step % 2]
    for row in range(plan.batch):
        source = plan.first_row + row * plan.row_stride
        targets[row] = batch.targets[step % 2, source]
        for c in range(span):
            contexts[row * span + c] = all_contexts[source * span + c]
    count_clusters(own.cluster_starts[step % 2], targets, plan.batch, network.cutoffs)


@inner_kernel
def run_shard(shared, own, units, plan, step):
    """Run a shard up to the gradients of its layers' outputs; return its loss (a sum of nats)."""
    none = np.int64(-1)
    loss = 0.0
    for tile in range(plan.row_tiles):
        first = tile * plan.row_tile
        last = min(plan.batch, first + plan.row_tile)
        call_unit(units.forward, shared, step, first, last, none, none, 0.0)
        if not plan.sweeps_columns:
            loss += call_unit(units.output, shared, step, first, last, none, none, 0.0)
        if plan.columns.shape[0] == 0:
            call_unit(units.backward, shared, step, first, last, none, none, 0.0)
    if plan.columns.shape[0] == 0:
        return loss
    for tile in range(plan.columns.shape[0]):
        call_unit(units.columns, shared, step, np.int64(tile), none, none, none, 0.0)
    for tile in range(plan.row_tiles):
        first = tile * plan.row_tile
        last = min(plan.batch, first + plan.row_tile)
        loss += call_unit(units.column_sums, shared, step, first, last, none, none, 0.0)
    for tile in range(plan.columns.shape[0]):
        start = plan.columns[tile, START]
        while start < plan.columns[tile, STOP]:
            call_unit(units.columns_backward, shared, step, np.int64(tile), start, none, none, 0.0)
            start += block_columns(plan, tile, start)
    for tile in range(plan.row_tiles):
        first = tile * plan.row_tile
        last = min(plan.batch, first + plan.row_tile)
        call_unit(units.columns_to_rows, shared, step, first, last, none, none, 0.0)
        call_unit(units.backward, shared, step, first, last, none, none, 0.0)
    return loss


@inner_kernel
def tile_of(plan, nth):
    """Return layer, start and stop of a tile: first those of Plan.columns, then Plan.updates."""
    columns = plan.columns.shape[0]
    if nth < columns:
        return plan.columns[nth, LAYER], plan.columns[nth, START], plan.columns[nth, STOP]
    nth -= columns
    return plan.updates[nth, LAYER], plan.updates[nth, START], plan.updates[nth, STOP]


@inner_kernel
def gradient_tile(target, own, workspace, slot_of, count, network, plan, all_shards, nth, step):
    """Compute a tile of a shard's gradient.

    target : float32[n], written there
    """
    scale = 1.0 / (plan.batch * all_shards)
    layer, start, stop = tile_of(plan, nth)
    if layer == EMBEDDING:
        slot_gradient(target, own, slot_of, count, network, start, stop, step, scale)
    elif layer == FAR:
        size = (network.span - network.context) * network.embed
        first = network.vocab * network.embed
        for j in range(size):
            total = F(0)
            for tile in range(plan.row_tiles):
                total += own.d_far[tile * size + j]
            target[first + j] = F(scale) * total
    elif layer >= 0:
        while start < stop:
            width = stop - start
            d0 = np.int64(-1)
            if nth < plan.columns.shape[0]:
                width = block_columns(plan, nth, start)
                d0 = block_logits(network, plan, own.cluster_starts[step % 2], nth, start)
            layer_gradient(
                target, own, workspace, network, plan, step, layer, start, start + width, d0,
                scale, 0.0,
            )  # fmt: skip
            start += width


@inner_kernel
def slot_gradient(target, own, slot_of, count, network, remainder, divisor, step, scale):
    """Sum a shard's gradients of the numbered embeddings that leave ``remainder``."""
    embed = network.embed
    contexts = own.contexts[step % 2]
    for slot in range(remainder, count, divisor):
        row = target[slot * embed : (slot + 1) * embed]
        for e in range(embed):
            row[e] = F(0)
    for k in range(contexts.size):
        slot = np.int64(slot_of[contexts[k]])
        if slot % divisor == remainder:
            add_occurrence(
                target, slot, np.int64(k), own.d_inputs, own.far_weights, network,
                network.layers[0, FAN_IN], scale,
            )  # fmt: skip


@inner_kernel
def add_tile(target, other, count, network, plan, nth):
    """Add a tile of another gradient to that of ``target``."""
    layer, start, stop = tile_of(plan, nth)
    embed = network.embed
    if layer == EMBEDDING:
        for slot in range(start, count, stop):
            add_range(target, other, slot * embed, (slot + 1) * embed)
    elif layer == FAR:
        first = network.vocab * embed
        add_range(target, other, first, first + (network.span - network.context) * embed)
    elif layer >= 0:
        table = network.layers
        for k in range(table[layer, FAN_IN]):
            row = table[layer, WEIGHT] + k * table[layer, FAN_OUT]
            add_range(target, other, row + start, row + stop)
        if table[layer, BIAS] >= 0:
            add_range(target, other, table[layer, BIAS] + start, table[layer, BIAS] + stop)


@inner_kernel
def add_range(target, other, start, stop):
    """Apply target += other for the elements start to stop."""
    a = target[start:stop]
    b = other[start:stop]
    for j in range(a.size):
        a[j] += b[j]


@kernel
def apply_sum(
    total, decays, state, worker, slots, count, next_count, network, plan, buckets, phases, step,
    rate,
):  # fmt: skip
    """Update momentum and parameters from the gradient of a batch, and prepare the next step.

    Every thread makes this same call.

    total : float32[n], see ``shard_gradients``
    decays : of ``fill_decays`` for the next step
    slots : int32[2, B * span], the numbered ids of even and odd steps; ``count`` of this step,
        ``next_count`` of the next
    buckets : tiles of the embeddings, a power of two
    phases : int64[2], 0 and the number of tiles; those after the buckets have equal shares of the
        other parameters
    """
    embed = network.embed
    first = network.vocab * embed
    decay = F(plan.beta)
    share_of = F(1.0 - plan.beta)
    tiles = phases[1]
    while True:
        tile = next_tile(worker, tiles, phases)
        if tile < 0:
            return
        if tile >= buckets:
            rest = state.params.size - first
            low = first + rest * (tile - buckets) // (tiles - buckets)
            high = first + rest * (tile - buckets + 1) // (tiles - buckets)
            momentum_range(
                state.params[low:high], state.momentum[low:high], total[low:high], decay, share_of,
                F(rate),
            )  # fmt: skip
        else:
            ids = slots[step % 2]
            for slot in range(count):
                row = np.int64(ids[slot])
                if row % buckets == tile:
                    momentum_range(
                        state.params[row * embed : (row + 1) * embed],
                        state.momentum[row * embed : (row + 1) * embed],
                        total[slot * embed : (slot + 1) * embed], decay, share_of,
                        F(rate * plan.embed_scale),
                    )  # fmt: skip
                    state.row_steps[row] = step + 1
            if (step + 1) % SETTLE_EVERY == 0:
                for row in range(tile, network.vocab, buckets):
                    settle_row_tabulated(
                        decays, state.params, state.momentum, state.row_steps, row, embed,
                        step + 1, plan.beta, plan.embed_scale,
                    )  # fmt: skip
            else:
                ids = slots[(step + 1) % 2]
                for slot in range(next_count):
                    row = np.int64(ids[slot])
                    if row % buckets == tile:
                        settle_row_tabulated(
                            decays, state.params, state.momentum, state.row_steps, row, embed,
                            step + 1, plan.beta, plan.embed_scale,
                        )  # fmt: skip
        tile_done(worker)


@inner_kernel
def momentum_range(w, m, g, decay, share_of, rate):
    """Apply m = beta m + (1 - beta) g, w -= rate m to float32[any] each."""
    for j in range(w.size):
        m[j] = decay * m[j] + share_of * g[j]
        w[j] -= rate * m[j]
