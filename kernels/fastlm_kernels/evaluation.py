"""Forward only: losses of positions of a token array, and logits of given contexts."""

import numpy as np

from fastlm_kernels.contexts import gather_context, token_at
from fastlm_kernels.jit import inner_kernel, kernel
from fastlm_kernels.rows import (
    cluster_of,
    cluster_rows,
    count_clusters,
    forward_hidden,
    forward_layer,
    forward_rows,
    forward_tail,
    rewind,
)
from fastlm_kernels.softmax import log_sum_exp
from fastlm_kernels.team import claim, finish


@kernel
def position_losses(
    losses, inputs, logits, contexts, order, starts, workspace, sync, tokens, params, network,
    first, rows,
):  # fmt: skip
    """-log p(token at first + i | its context), in nats, for every element i of ``losses``.

    losses : float64[n], written
    inputs : float32[rows * widths], logits : float32[rows * head + rows * largest cluster],
        contexts : int32[rows * span], order : int32[2, rows], starts : int64[K + 1],
        workspace : Workspace, each thread's own
    sync : int64[SYNC_SIZE], zeros, shared by the threads of the call
    """
    span = network.span
    tiles = (losses.size + rows - 1) // rows
    while True:
        tile = claim(sync, tiles, tiles, tiles)
        if tile < 0:
            return
        start = tile * rows
        count = min(rows, losses.size - start)
        for row in range(count):
            order[0, row] = token_at(tokens.ids, tokens.width, first + start + row)
        order_by_cluster(order, starts, count, network.cutoffs)
        for row in range(count):
            gather_context(
                contexts[row * span : (row + 1) * span],
                tokens.ids,
                tokens.width,
                first + start + order[1, row],
                network.boundary,
            )
        forward_hidden(inputs, workspace, contexts, params, network, rows, np.int64(0), count)
        row_losses(
            losses[start : start + count], logits, inputs, workspace, order, starts, params,
            network, rows, count,
        )  # fmt: skip
        finish(sync)


@inner_kernel
def order_by_cluster(order, starts, count, cutoffs):
    """order[1] = the elements 0 .. count - 1 by the cluster of order[0], the last cluster first."""
    count_clusters(starts, order[0], count, cutoffs)
    for row in range(count):
        cluster = cluster_of(np.int64(order[0, row]), cutoffs)
        order[1, starts[cluster]] = row
        starts[cluster] += 1
    rewind(starts)


@inner_kernel
def row_losses(
    losses, logits, inputs, workspace, order, starts, params, network, rows, count
):  # fmt: skip
    """Losses of rows whose input of the output layer is there.

    losses : float64[count], written
    order : int32[2, rows], the target of each element, and which element each row is
    """
    last = network.depth - 1
    _, width = forward_layer(
        logits, workspace, inputs, params, network, last, rows, np.int64(0), count
    )
    for row in range(count):
        target = np.int64(order[0, order[1, row]])
        cluster = cluster_of(target, network.cutoffs)
        if cluster > 0:
            target = network.cutoffs[0] + cluster - 1
        z = logits[row * width : (row + 1) * width]
        losses[order[1, row]] = log_sum_exp(z) - z[target]
    for cluster in range(1, network.cutoffs.size):
        low, high = cluster_rows(starts, cluster, np.int64(0), count)
        if low < high:
            first_id = network.cutoffs[cluster - 1]
            size = network.cutoffs[cluster] - first_id
            tail = rows * width
            forward_tail(
                logits, tail, size, inputs, workspace, params, network, cluster, rows, low, high
            )
            for row in range(low, high):
                z = logits[tail + (row - low) * size : tail + (row - low + 1) * size]
                element = order[1, row]
                losses[element] += log_sum_exp(z) - z[order[0, element] - first_id]


@kernel
def context_logits(logits, inputs, workspace, contexts, params, network, batch):
    """Logits of B contexts; with an adaptive softmax log-probabilities, which are logits too.

    logits : float32[B * V], inputs : float32[B * widths], both written
    workspace : Workspace
    contexts : int32[B * span]
    """
    forward_rows(logits, inputs, workspace, contexts, params, network, batch, np.int64(0), batch)
