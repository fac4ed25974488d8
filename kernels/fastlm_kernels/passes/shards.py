"""The gradient of a batch in a fixed number of shards, and their sum.

Shard s of S has the rows s, s + S, s + 2 S, ... of the batch, sorted as ``passes.rows`` sorts it:
each has its share of every cluster, and the dropout masks of the whole batch. A shard is computed
by the same calls on any process, and shards are added in one binary tree, so the sum is the same
bits however shards are dealt out to processes. (``passes.training`` adds up a batch at once.)

Arrays of all shards of a process lie one after the other in one Scratch.
"""

from __future__ import annotations

import numpy as np

from fastlm_kernels.layers.adaptive_softmax import count_clusters
from fastlm_kernels.layers.embedding import add_occurrence
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

# Elements of a layer that are summed over the shards at once, so that the sums stay in a core's
# cache; but at least so many columns.
PART_ELEMENTS = 1 << 13
LEAST_COLUMNS = 64


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
            layer, start, stop = tile_of(plan, nth)
            if layer == FAR:  # one tile, without columns
                stop = np.int64(1)
            while start < stop:
                # Of embeddings and pools all at once: there these are no columns.
                block = stop
                width = stop - start
                if layer >= 0:
                    if nth < plan.columns.shape[0]:
                        block = start + block_columns(plan, nth, start)
                    width = max(LEAST_COLUMNS, PART_ELEMENTS // network.layers[layer, FAN_IN])
                first = start
                while first < block:
                    last = min(block, first + width)
                    sum_shards(
                        sums, scratch, workspace, slot_of, count, network, plan, first_shard,
                        shards, all_shards, nth, layer, start, block, first, last, step,
                    )  # fmt: skip
                    first = last
                start = block
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
def sum_shards(
    sums, scratch, workspace, slot_of, count, network, plan, first_shard, shards, all_shards, nth,
    layer, start, block, first, last, step,
):  # fmt: skip
    """Sum the shards' gradients of the columns first to last of a tile's block start to block.

    Of the embeddings or the pools: of the tile first, last.
    """
    depth = np.int64(0)
    for k in range(shards):
        own = scratch_of(scratch, k, shards)
        part_gradient(
            sums[depth], own, workspace, slot_of, count, network, plan,
            1.0 / (plan.batch * all_shards), nth, layer, start, block, first, last, step,
        )  # fmt: skip
        depth += 1
        # A shard's number, in binary, says how many nodes it completes.
        number = first_shard + k + 1
        size = np.int64(1)
        while number % 2 == 0 and k + 1 >= 2 * size and depth > 1:
            add_part(sums[depth - 2], sums[depth - 1], count, network, layer, first, last)
            depth -= 1
            size *= 2
            number //= 2


@inner_kernel
def part_gradient(
    target, own, workspace, slot_of, count, network, plan, scale, nth, layer, start, block, first,
    last, step,
):  # fmt: skip
    """Compute what ``sum_shards`` sums, of one shard.

    target : float32[n], written there
    """
    if layer == EMBEDDING:
        slot_gradient(target, own, slot_of, count, network, first, last, step, scale)
    elif layer == FAR:
        size = (network.span - network.context) * network.embed
        pools = network.vocab * network.embed
        for j in range(size):
            total = F(0)
            for tile in range(plan.row_tiles):
                total += own.d_far[tile * size + j]
            target[pools + j] = F(scale) * total
    elif layer >= 0:
        d0 = np.int64(-1)
        if nth < plan.columns.shape[0]:
            starts = own.cluster_starts[step % 2]
            d0 = block_logits(network, plan, starts, nth, start) + first - start
        layer_gradient(
            target, own, workspace, network, plan, step, layer, first, last, d0, block - start,
            scale, 0.0,
        )  # fmt: skip


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
def add_part(target, other, count, network, layer, start, stop):
    """Add what ``part_gradient`` has written to ``other`` to that of ``target``."""
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
