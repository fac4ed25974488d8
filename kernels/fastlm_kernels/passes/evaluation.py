"""Evaluation: losses of positions of a token array, and logits of given contexts."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fastlm_kernels.layers.activation import relu
from fastlm_kernels.layers.adaptive_softmax import (
    cluster_of,
    cluster_rows,
    count_clusters,
    restore_starts,
    tail_layer,
    target_column,
)
from fastlm_kernels.layers.affine import affine_columns
from fastlm_kernels.layers.softmax import update_log_sum
from fastlm_kernels.passes.contexts import gather_context, token_at
from fastlm_kernels.passes.first_layer import FILL_ROWS, fill_table_tile, first_layer
from fastlm_kernels.passes.rows import forward_layer, forward_rows, project_rows
from fastlm_kernels.runtime.arguments import BIAS, FAN_IN, FAN_OUT, WEIGHT, WIDTH_BEFORE
from fastlm_kernels.runtime.jit import inner_kernel, kernel
from fastlm_kernels.runtime.scheduler import next_tile, tile_done

F = np.float32

# Logits that are computed at a time: 128 KB, so that they and the rows they come from stay in a
# core's own cache until their exponentials are summed.
LOGIT_ROWS = 128
LOGIT_COLUMNS = 256


class EvaluationScratch(NamedTuple):
    """Memory of a thread for ``rows`` positions at a time.

    inputs : float32[rows * widths], and at least FILL_ROWS * E
    logits : float32[LOGIT_ROWS * LOGIT_COLUMNS], and without hidden layers at least rows * V
    contexts : int32[rows * span]
    order : int32[2, rows], the target of each element, and the element of each sorted row
    cluster_starts : int64[clusters + 1]
    maxima : float32[LOGIT_ROWS], sums, target_logits : float64[LOGIT_ROWS], of online softmax
    """

    inputs: np.ndarray
    logits: np.ndarray
    contexts: np.ndarray
    order: np.ndarray
    cluster_starts: np.ndarray
    maxima: np.ndarray
    sums: np.ndarray
    target_logits: np.ndarray


@kernel
def position_losses(
    losses, scratch, workspace, worker, tokens, table, params, network, phases, first, rows
):  # fmt: skip
    """Compute -log p(token at first + i | its context), in nats, for every element i of ``losses``.

    losses : float64[n], written
    scratch : EvaluationScratch, workspace : Workspace, each thread's own
    worker : Worker, with the same shared counters for all threads of the call
    table : TokenTable of the first layer, whose values are computed first; or empty
    phases : int64[3]: 0, the tiles of FILL_ROWS table rows, and all tiles
    rows : positions of a tile
    """
    span = network.span
    order = scratch.order
    contexts = scratch.contexts
    fills = phases[1]
    while True:
        ticket = next_tile(worker, phases[2], phases)
        if ticket < 0:
            return
        if ticket < fills:
            low = ticket * FILL_ROWS
            fill_table_tile(
                table, scratch.inputs, workspace, params, network,
                low, min(low + FILL_ROWS, table.ids.size),
            )  # fmt: skip
            tile_done(worker)
            continue
        start = (ticket - fills) * rows
        count = min(rows, losses.size - start)
        for row in range(count):
            order[0, row] = token_at(tokens.ids, tokens.width, first + start + row)
        order_by_cluster(order, scratch.cluster_starts, count, network.cutoffs)
        for row in range(count):
            gather_context(
                contexts[row * span : (row + 1) * span],
                tokens.ids,
                tokens.width,
                first + start + order[1, row],
                network.boundary,
            )
        hidden_rows(
            scratch.inputs, scratch.logits, contexts, workspace, table, params, network, rows, count
        )
        row_losses(losses[start : start + count], scratch, workspace, params, network, rows, count)
        tile_done(worker)


@inner_kernel
def hidden_rows(inputs, logits, contexts, workspace, table, params, network, rows, count):
    """Compute the input of the output layer of ``count`` rows; without hidden layers its output."""
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
    """Sort the elements 0 .. count - 1 into order[1] by the cluster of order[0], last first."""
    count_clusters(starts, order[0], count, cutoffs)
    for row in range(count):
        cluster = cluster_of(np.int64(order[0, row]), cutoffs)
        order[1, starts[cluster]] = row
        starts[cluster] += 1
    restore_starts(starts)


@inner_kernel
def row_losses(losses, scratch, workspace, params, network, rows, count):
    """Compute the losses of ``count`` rows after ``hidden_rows``: the head's, then the clusters'.

    losses : float64[count], written
    """
    for part in range(network.cutoffs.size):
        low = np.int64(0)
        high = count
        layer = network.depth - 1
        x0 = rows * network.layers[layer, WIDTH_BEFORE]
        if part > 0:
            low, high = cluster_rows(scratch.cluster_starts, part, np.int64(0), count)
            if low >= high:
                continue
            layer = tail_layer(network, part)
            x0 = project_rows(scratch.inputs, workspace, params, network, part, rows, low, high)
        fan_in = network.layers[layer, FAN_IN]
        for start in range(low, high, LOGIT_ROWS):
            stop = min(start + LOGIT_ROWS, high)
            log_sums(
                scratch, workspace, params, network, part, layer, x0 + (start - low) * fan_in,
                start, stop,
            )  # fmt: skip
            for row in range(start, stop):
                element = scratch.order[1, row]
                log_sum = math.log(scratch.sums[row - start]) + np.float64(
                    scratch.maxima[row - start]
                )
                loss = log_sum - scratch.target_logits[row - start]
                losses[element] = loss if part == 0 else losses[element] + loss


@inner_kernel
def log_sums(scratch, workspace, params, network, part, layer, x0, first, last):
    """Compute the log-sum-exp and the target's logit for the rows first to last of a part.

    Logits are computed some columns at a time and summed while they are in the cache.

    x0 : offset in scratch.inputs of the layer's input of row ``first``
    """
    fan_in = network.layers[layer, FAN_IN]
    width = network.layers[layer, FAN_OUT]
    columns = LOGIT_COLUMNS
    logits0 = np.int64(0)
    if layer == 0:  # without hidden layers they are all there
        columns = width
        logits0 = first * width
    maxima = scratch.maxima
    sums = scratch.sums
    for row in range(last - first):
        maxima[row] = F(-np.inf)
        sums[row] = 0.0
    for start in range(0, width, columns):
        size = min(columns, width - start)
        if layer > 0:
            affine_columns(
                scratch.logits, logits0, size, workspace, scratch.inputs, x0, params,
                network.layers[layer, WEIGHT], network.layers[layer, BIAS], last - first,
                fan_in, width, start, size,
            )  # fmt: skip
        for row in range(last - first):
            z = scratch.logits[logits0 + row * size : logits0 + (row + 1) * size]
            update_log_sum(maxima, sums, row, z)
            target = np.int64(scratch.order[0, scratch.order[1, first + row]])
            at = target_column(part, target, network.cutoffs) - start
            if 0 <= at < size:
                scratch.target_logits[row] = np.float64(z[at])


@kernel
def context_logits(logits, inputs, workspace, contexts, params, network, batch):
    """Compute the logits of B contexts; with an adaptive softmax log-probabilities.

    logits : float32[B * V], written
    inputs : float32[B * widths], written
    contexts : int32[B * span], oldest token first
    """
    forward_rows(logits, inputs, workspace, contexts, params, network, batch, np.int64(0), batch)
