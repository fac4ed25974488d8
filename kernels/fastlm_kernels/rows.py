"""The row sweep: forward and backward through all layers for some rows of a batch.

Rows are independent of each other, so tiles of rows may run anywhere in any order.
"""

import numpy as np

from fastlm_kernels.activation import dropout, relu, relu_dropout_backward, row_key
from fastlm_kernels.affine import affine, affine_backward
from fastlm_kernels.arguments import BIAS, FAN_IN, FAN_OUT, WEIGHT, WIDTH_BEFORE
from fastlm_kernels.contexts import example_position, gather_context, token_at
from fastlm_kernels.embedding import combine
from fastlm_kernels.jit import inner_kernel
from fastlm_kernels.softmax import softmax_cross_entropy


@inner_kernel
def gather_rows(scratch, tokens, network, plan, step, first, last):
    """Contexts and targets of the rows first to last of the batch of ``step``."""
    context = network.context
    contexts = scratch.contexts[step % 2]
    targets = scratch.targets[step % 2]
    for row in range(first, last):
        position = example_position(
            step * plan.batch + row, plan.examples, plan.first_target, plan.shuffle, plan.seed
        )
        gather_context(
            contexts[row * context : (row + 1) * context],
            tokens.ids,
            tokens.width,
            position,
            network.boundary,
        )
        targets[row] = token_at(tokens.ids, tokens.width, position)


@inner_kernel
def forward_rows(logits, inputs, workspace, contexts, params, network, batch, first, last):
    """Logits of the rows first to last, without dropout.

    logits : float32[B * V], inputs : float32[B * sum of fan-ins], both written
    contexts : int32[B * C], workspace : Workspace of this thread
    """
    combine_rows(inputs, contexts, params, network, first, last)
    n_layers = network.layers.shape[0]
    for layer in range(n_layers - 1):
        out0, width = forward_layer(
            inputs, workspace, inputs, params, network, layer, batch, first, last
        )
        relu(inputs[out0 : out0 + (last - first) * width])
    forward_layer(logits, workspace, inputs, params, network, n_layers - 1, batch, first, last)


@inner_kernel
def combine_rows(inputs, contexts, params, network, first, last):
    context = network.context
    width = network.layers[0, FAN_IN]
    for row in range(first, last):
        combine(
            inputs[row * width : (row + 1) * width],
            contexts[row * context : (row + 1) * context],
            params,
            network.embed,
            network.mean,
        )


@inner_kernel
def forward_layer(out, workspace, inputs, params, network, layer, batch, first, last):
    """Run one affine layer; returns the offset in ``out`` of row ``first``, and the fan-out.

    The output is the next layer's place in ``inputs``, or for the last layer the logits.
    """
    table = network.layers
    fan_in = table[layer, FAN_IN]
    fan_out = table[layer, FAN_OUT]
    x0 = batch * table[layer, WIDTH_BEFORE] + first * fan_in
    out0 = first * fan_out
    if layer + 1 < table.shape[0]:
        out0 += batch * table[layer + 1, WIDTH_BEFORE]
    affine(
        out, out0, workspace, inputs, x0, params, table[layer, WEIGHT], table[layer, BIAS],
        last - first, fan_in, fan_out,
    )  # fmt: skip
    return out0, fan_out


@inner_kernel
def sweep_rows(scratch, workspace, params, network, plan, step, first, last):
    """Forward, loss and backward for the rows first to last, whose contexts are gathered.

    Leaves the layers' inputs in scratch.inputs, their gradients in scratch.d_inputs and d_logits in
    scratch.logits; returns the sum of the losses in nats. Gradients are of the sum over rows: the
    division by B is part of the update.
    """
    table = network.layers
    n_layers = table.shape[0]
    inputs, d_inputs, logits = scratch.inputs, scratch.d_inputs, scratch.logits
    rows = last - first
    targets = scratch.targets[step % 2]

    combine_rows(inputs, scratch.contexts[step % 2], params, network, first, last)
    if plan.embed_dropout > 0:
        width = table[0, FAN_IN]
        for row in range(first, last):
            dropout(
                inputs[row * width : (row + 1) * width],
                row_key(plan.seed, step, np.int64(0), row),
                plan.embed_dropout,
            )
    for layer in range(n_layers - 1):
        out0, width = forward_layer(
            inputs, workspace, inputs, params, network, layer, plan.batch, first, last
        )
        relu(inputs[out0 : out0 + rows * width])
        if plan.dropout > 0:
            for row in range(first, last):
                start = out0 + (row - first) * width
                dropout(
                    inputs[start : start + width],
                    row_key(plan.seed, step, layer + 1, row),
                    plan.dropout,
                )
    logits0, vocab = forward_layer(
        logits, workspace, inputs, params, network, n_layers - 1, plan.batch, first, last
    )

    loss = 0.0
    for row in range(rows):
        start = logits0 + row * vocab
        loss += softmax_cross_entropy(logits[start : start + vocab], np.int64(targets[first + row]))

    backward_layer(
        d_inputs, workspace, logits, params, network, n_layers - 1, plan.batch, first, last
    )
    for layer in range(n_layers - 2, -1, -1):
        width = table[layer + 1, FAN_IN]
        start = plan.batch * table[layer + 1, WIDTH_BEFORE] + first * width
        stop = start + rows * width
        relu_dropout_backward(d_inputs[start:stop], inputs[start:stop], plan.dropout)
        backward_layer(
            d_inputs, workspace, d_inputs, params, network, layer, plan.batch, first, last
        )
    if plan.embed_dropout > 0:
        width = table[0, FAN_IN]
        for row in range(first, last):
            dropout(
                d_inputs[row * width : (row + 1) * width],
                row_key(plan.seed, step, np.int64(0), row),
                plan.embed_dropout,
            )
    return loss


@inner_kernel
def backward_layer(d_inputs, workspace, d_out, params, network, layer, batch, first, last):
    table = network.layers
    fan_in = table[layer, FAN_IN]
    fan_out = table[layer, FAN_OUT]
    out0 = first * fan_out
    if layer + 1 < table.shape[0]:
        out0 += batch * table[layer + 1, WIDTH_BEFORE]
    affine_backward(
        d_inputs, batch * table[layer, WIDTH_BEFORE] + first * fan_in, workspace, d_out, out0,
        params, table[layer, WEIGHT], last - first, fan_in, fan_out,
    )  # fmt: skip
