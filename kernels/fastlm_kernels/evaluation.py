"""Forward only: losses of positions of a token array, and logits of given contexts."""

import numpy as np

from fastlm_kernels.activation import relu
from fastlm_kernels.arguments import FAN_OUT, WIDTH_BEFORE
from fastlm_kernels.contexts import gather_context, token_at
from fastlm_kernels.first_layer import first_layer
from fastlm_kernels.jit import inner_kernel, kernel
from fastlm_kernels.rows import (
    cluster_of,
    cluster_rows,
    count_clusters,
    forward_layer,
    forward_rows,
    forward_tail,
    rewind,
    target_in,
)
from fastlm_kernels.softmax import log_sum_exp
from fastlm_kernels.team import claim, finish


@kernel
def position_losses(
    losses, inputs, logits, contexts, order, starts, workspace, team, tokens, table, params,
    network, first, rows,
):  # fmt: skip
    """-log p(token at first + i | its context), in nats, for every element i of ``losses``.

    losses : float64[n], written
    inputs : float32[rows * widths], logits : float32[rows * head + rows * largest cluster],
        contexts : int32[rows * span], order : int32[2, rows], starts : int64[K + 1],
        workspace : Workspace, each thread's own
    team : Team, of counters shared by the threads of the call
    table : of ``first_layer.fill_table``, or float32[0] to multiply instead
    """
    span = network.span
    tiles = (losses.size + rows - 1) // rows
    while True:
        tile = claim(team, tiles, tiles, tiles)
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
        hidden_rows(inputs, logits, contexts, workspace, table, params, network, rows, count)
        row_losses(
            losses[start : start + count], logits, inputs, workspace, order, starts, params,
            network, rows, count,
        )  # fmt: skip
        finish(team)


@inner_kernel
def hidden_rows(inputs, logits, contexts, workspace, table, params, network, rows, count):
    """The input of the output layer of ``count`` rows; without hidden layers, its output too."""
    if network.depth == 1:
        first_layer(logits, np.int64(0), inputs, contexts, workspace, table, params, network, count)
        return
    out0 = rows * network.layers[1, WIDTH_BEFORE]
    width = network.layers[0, FAN_OUT]
    first_layer(inputs, out0, inputs, contexts, workspace, table, params, network, count)
    relu(inputs[out0 : out0 + count * width])
    for layer in range(1, network.depth - 1):
        out0, width = forward_layer(
            inputs, workspace, inputs, params, network, layer, rows, np.int64(0), count
        )
        relu(inputs[out0 : out0 + count * width])


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
    """Losses of rows of which ``hidden_rows`` is done.

    losses : float64[count], written
    order : int32[2, rows], the target of each element, and which element each row is
    """
    last = network.depth - 1
    width = network.layers[last, FAN_OUT]
    if last > 0:
        forward_layer(logits, workspace, inputs, params, network, last, rows, np.int64(0), count)
    for part in range(network.cutoffs.size):
        low = np.int64(0)
        high = count
        place = np.int64(0)
        size = width
        if part > 0:
            low, high = cluster_rows(starts, part, np.int64(0), count)
            if low >= high:
                continue
            place = rows * width
            size = network.cutoffs[part] - network.cutoffs[part - 1]
            forward_tail(
                logits, place, size, inputs, workspace, params, network, part, rows, low, high
            )
        for row in range(low, high):
            z = logits[place + (row - low) * size : place + (row - low + 1) * size]
            element = order[1, row]
            loss = log_sum_exp(z) - z[target_in(part, np.int64(order[0, element]), network.cutoffs)]
            losses[element] = loss if part == 0 else losses[element] + loss


@kernel
def context_logits(logits, inputs, workspace, contexts, params, network, batch):
    """Logits of B contexts; with an adaptive softmax log-probabilities, which are logits too.

    logits : float32[B * V], inputs : float32[B * widths], both written
    workspace : Workspace
    contexts : int32[B * span]
    """
    forward_rows(logits, inputs, workspace, contexts, params, network, batch, np.int64(0), batch)
