"""The row sweep: forward and backward through all layers for some rows of a batch.

Rows are independent of each other, so tiles of rows may run on any thread in any order.
"""

from __future__ import annotations

import numpy as np

from fastlm_kernels.layers.activation import (
    dropout,
    dropout_input,
    relu,
    relu_dropout_backward,
    row_key,
)
from fastlm_kernels.layers.adaptive_softmax import (
    cluster_of,
    cluster_rows,
    count_clusters,
    part_of,
    restore_starts,
    tail_layer,
)
from fastlm_kernels.layers.affine import affine, affine_backward
from fastlm_kernels.layers.embedding import combine, far_gradient
from fastlm_kernels.layers.softmax import log_sum_exp
from fastlm_kernels.layers.token_table_training import forward_table
from fastlm_kernels.linalg.transpose import transpose
from fastlm_kernels.passes.contexts import example_position, gather_context, token_at
from fastlm_kernels.runtime.arguments import BIAS, FAN_IN, FAN_OUT, WEIGHT, WIDTH_BEFORE
from fastlm_kernels.runtime.jit import inner_kernel, never_inline, noinline_kernel


@inner_kernel
def gather_rows(scratch, tokens, network, plan, step, first, last):
    """Gather contexts and targets of the rows first to last of the batch of ``step``.

    With an adaptive softmax they go where ``sort_rows`` reads them.
    """
    span = network.span
    buffer = gathered_buffer(network, step)
    contexts = scratch.contexts[buffer]
    targets = scratch.targets[buffer]
    for row in range(first, last):
        position = example_position(
            step * plan.batch + row, plan.examples, plan.first_target, plan.shuffle,
            plan.shuffle_block, plan.shuffle_window, plan.seed,
        )  # fmt: skip
        gather_context(
            contexts[row * span : (row + 1) * span],
            tokens.ids,
            tokens.width,
            position,
            network.boundary,
        )
        targets[row] = token_at(tokens.ids, tokens.width, position)


@inner_kernel
def gathered_buffer(network, step):
    """Return the index of the scratch's three buffers that ``gather_rows`` writes."""
    return step % 2 if network.cutoffs.size == 1 else np.int64(2)


@inner_kernel
def sort_rows(scratch, network, plan, step):
    """Sort the gathered rows of ``step``: the last cluster's first, the head's at the end.

    The rows of a cluster then form a matrix. Within a cluster the order stays.
    """
    span = network.span
    contexts = scratch.contexts[step % 2]
    targets = scratch.targets[step % 2]
    starts = scratch.cluster_starts[step % 2]
    count_clusters(starts, scratch.targets[2], plan.batch, network.cutoffs)
    for row in range(plan.batch):
        target = np.int64(scratch.targets[2, row])
        cluster = cluster_of(target, network.cutoffs)
        to = starts[cluster]
        starts[cluster] += 1
        targets[to] = target
        for c in range(span):
            contexts[to * span + c] = scratch.contexts[2, row * span + c]
    restore_starts(starts)


@inner_kernel
def forward_hidden(inputs, workspace, contexts, params, network, batch, first, last):
    """Compute the input of the output layer for the rows first to last, without dropout.

    inputs : float32[B * widths], written
    workspace : Workspace of this thread
    contexts : int32[B * span]
    """
    combine_rows(inputs, contexts, params, network, first, last)
    for layer in range(network.depth - 1):
        out0, width = forward_layer(
            inputs, workspace, inputs, params, network, layer, batch, first, last
        )
        relu(inputs[out0 : out0 + (last - first) * width])


@inner_kernel
def forward_rows(logits, inputs, workspace, contexts, params, network, batch, first, last):
    """Compute the logits of the rows first to last; with an adaptive softmax log-probabilities.

    logits : float32[B * V], written
    inputs : float32[B * widths], written
    workspace : Workspace of this thread
    contexts : int32[B * span]
    """
    forward_hidden(inputs, workspace, contexts, params, network, batch, first, last)
    table = network.layers
    output = network.depth - 1
    vocab = network.vocab
    head = table[output, FAN_OUT]
    fan_in = table[output, FAN_IN]
    affine(
        logits, first * vocab, vocab, workspace,
        inputs, batch * table[output, WIDTH_BEFORE] + first * fan_in, params,
        table[output, WEIGHT], table[output, BIAS], last - first, fan_in, head,
    )  # fmt: skip
    clusters = network.cutoffs.size - 1
    if clusters == 0:
        return
    ids = network.cutoffs[0]
    kept = batch * (network.widths - clusters)
    for row in range(first, last):
        z = logits[row * vocab : row * vocab + head]
        total = log_sum_exp(z)
        for cluster in range(clusters):
            inputs[kept + row * clusters + cluster] = z[ids + cluster] - total
        for j in range(ids):
            z[j] = z[j] - total
    for cluster in range(1, clusters + 1):
        start = network.cutoffs[cluster - 1]
        forward_tail(
            logits, first * vocab + start, vocab, inputs, workspace, params, network, cluster,
            batch, first, last,
        )  # fmt: skip
        for row in range(first, last):
            z = logits[row * vocab + start : row * vocab + network.cutoffs[cluster]]
            move = inputs[kept + row * clusters + cluster - 1] - log_sum_exp(z)
            for j in range(z.size):
                z[j] = z[j] + move


@inner_kernel
def combine_rows(inputs, contexts, params, network, first, last):
    """Gather the input of the first layer for the rows first to last."""
    span = network.span
    width = network.layers[0, FAN_IN]
    for row in range(first, last):
        combine(
            inputs[row * width : (row + 1) * width],
            contexts[row * span : (row + 1) * span],
            params,
            network,
        )


@inner_kernel
def forward_layer(out, workspace, inputs, params, network, layer, batch, first, last):
    """Run one affine layer; return the offset in ``out`` of row ``first``, and the fan-out.

    out : the next layer's ``inputs``, or for the last layer the logits
    """
    table = network.layers
    fan_in = table[layer, FAN_IN]
    fan_out = table[layer, FAN_OUT]
    x0 = batch * table[layer, WIDTH_BEFORE] + first * fan_in
    out0 = first * fan_out
    if layer + 1 < network.depth:
        out0 += batch * table[layer + 1, WIDTH_BEFORE]
    affine(
        out, out0, fan_out, workspace, inputs, x0, params, table[layer, WEIGHT], table[layer, BIAS],
        last - first, fan_in, fan_out,
    )  # fmt: skip
    return out0, fan_out


@inner_kernel
def forward_tail(
    out, out0, ldo, inputs, workspace, params, network, cluster, batch, first, last
):  # fmt: skip
    """Compute projection and logits of a cluster for the rows first to last.

    out : float32[...], the logits at out0, rows ldo apart, written
    inputs : float32[B * widths], the projection is written there
    """
    x0 = project_rows(inputs, workspace, params, network, cluster, batch, first, last)
    table = network.layers
    tail = tail_layer(network, cluster)
    affine(
        out, out0, ldo, workspace, inputs, x0, params, table[tail, WEIGHT], table[tail, BIAS],
        last - first, table[tail, FAN_IN], table[tail, FAN_OUT],
    )  # fmt: skip


@inner_kernel
def project_rows(inputs, workspace, params, network, cluster, batch, first, last):
    """Project the rows first to last into a cluster; return the offset of that in ``inputs``."""
    table = network.layers
    tail = tail_layer(network, cluster)
    fan_in = table[tail - 1, FAN_IN]
    width = table[tail, FAN_IN]
    x0 = batch * table[tail, WIDTH_BEFORE] + first * width
    affine(
        inputs, x0, width, workspace,
        inputs, batch * table[tail - 1, WIDTH_BEFORE] + first * fan_in,
        params, table[tail - 1, WEIGHT], np.int64(-1), last - first, fan_in, width,
    )  # fmt: skip
    return x0


@inner_kernel
def forward_sweep(scratch, workspace, params, network, plan, step, first, last):
    """Run the rows first to last, whose contexts are gathered, up to the output's input.

    Leaves the layers' inputs in scratch.inputs and inputs_t (with a token table not the first
    one's).
    """
    table = network.layers
    rows = last - first
    contexts = scratch.contexts[step % 2]
    inputs = scratch.inputs
    if plan.table_tiles:
        forward_table(scratch, params, network, plan, step, first, last)
    else:
        combine_rows(inputs, contexts, params, network, first, last)
        dropout_inputs(inputs, contexts, network, plan, step, first, last)
    for layer in range(network.depth - 1):
        out0 = plan.batch * table[layer + 1, WIDTH_BEFORE] + first * table[layer, FAN_OUT]
        width = table[layer, FAN_OUT]
        if layer > 0 or not plan.table_tiles:
            forward_layer(
                inputs, workspace, inputs, params, network, layer, plan.batch, first, last
            )
        relu(inputs[out0 : out0 + rows * width])
        if plan.dropout > 0:
            for row in range(first, last):
                start = out0 + (row - first) * width
                dropout(
                    inputs[start : start + width],
                    row_key(plan.seed, step, layer + 1, plan.first_row + row * plan.row_stride),
                    plan.dropout,
                )
    for part in range(1, network.cutoffs.size):
        low, high = cluster_rows(scratch.cluster_starts[step % 2], part, first, last)
        if low < high:
            project_rows(inputs, workspace, params, network, part, plan.batch, low, high)
    transpose_inputs(scratch, network, plan, step, first, last)


@inner_kernel
def uses_transposed_input(network, plan, layer):
    """Return whether a layer's gradient takes its input from scratch.inputs_t.

    A projection has the input of the output layer, and does as that.
    """
    if layer >= network.depth and layer != tail_layer(network, part_of(network, layer)):
        layer = network.depth - 1
    return network.layers[layer, FAN_OUT] >= plan.transposed_from


@inner_kernel
def transpose_inputs(scratch, network, plan, step, first, last):
    """Transpose the rows first to last of the inputs, for the layers that take them transposed."""
    for layer in range(network.depth):
        transpose_input(scratch, network, plan, layer, first, last)
    for part in range(1, network.cutoffs.size):
        low, high = cluster_rows(scratch.cluster_starts[step % 2], part, first, last)
        transpose_input(scratch, network, plan, tail_layer(network, part), low, high)


@inner_kernel
def transpose_input(scratch, network, plan, layer, first, last):
    """Transpose rows of one layer's input into scratch.inputs_t, if its gradient reads that."""
    if layer == 0 and plan.table_tiles:
        return
    if first < last and uses_transposed_input(network, plan, layer):
        before = plan.batch * network.layers[layer, WIDTH_BEFORE]
        fan_in = network.layers[layer, FAN_IN]
        transpose(
            scratch.inputs_t, before + first, plan.batch, scratch.inputs, before + first * fan_in,
            fan_in, last - first, fan_in,
        )  # fmt: skip


@inner_kernel
def backward_sweep(scratch, workspace, params, network, plan, step, first, last):
    """Run the rows first to last back from the output's input to the first layer's.

    Leaves the gradient of the first layer's input (with a token table, of its output) in
    scratch.d_inputs, and that of the pools' weights in scratch.d_far.
    """
    table = network.layers
    rows = last - first
    contexts = scratch.contexts[step % 2]
    inputs = scratch.inputs
    d_inputs = scratch.d_inputs
    for layer in range(network.depth - 2, -1, -1):
        width = table[layer + 1, FAN_IN]
        start = plan.batch * table[layer + 1, WIDTH_BEFORE] + first * width
        stop = start + rows * width
        relu_dropout_backward(d_inputs[start:stop], inputs[start:stop], plan.dropout)
        if layer > 0 or not plan.table_tiles:
            backward_layer(
                d_inputs, workspace, inputs, params, network, layer, plan.batch, first, last
            )
    if not plan.table_tiles:
        dropout_inputs(d_inputs, contexts, network, plan, step, first, last)
    if network.far.size > 0:
        width = table[0, FAN_IN]
        size = (network.span - network.context) * network.embed
        tile = first // plan.row_tile
        d_far = scratch.d_far[tile * size : (tile + 1) * size]
        for j in range(size):
            d_far[j] = np.float32(0)
        for row in range(first, last):
            far_gradient(
                d_far, contexts[row * network.span : (row + 1) * network.span],
                d_inputs[row * width : (row + 1) * width], params, network,
            )  # fmt: skip


@noinline_kernel
def dropout_inputs(x, contexts, network, plan, step, first, last):
    """Apply dropout to the first layer's input, or its gradient, for the rows first to last."""
    never_inline()
    if plan.embed_dropout > 0:
        width = network.layers[0, FAN_IN]
        span = network.span
        for row in range(first, last):
            dropout_input(
                x[row * width : (row + 1) * width], contexts[row * span : (row + 1) * span], row,
                step, network, plan,
            )  # fmt: skip


@inner_kernel
def backward_layer(d_inputs, workspace, inputs, params, network, layer, batch, first, last):
    """Compute the gradient of a hidden layer's input from that of its output."""
    table = network.layers
    fan_in = table[layer, FAN_IN]
    fan_out = table[layer, FAN_OUT]
    out0 = batch * table[layer + 1, WIDTH_BEFORE] + first * fan_out
    affine_backward(
        d_inputs, inputs, batch * table[layer, WIDTH_BEFORE] + first * fan_in, workspace, d_inputs,
        out0, params, table[layer, WEIGHT], last - first, fan_in, fan_out, 0.0, layer > 0,
    )  # fmt: skip
