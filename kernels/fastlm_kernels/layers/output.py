"""The output layer of some rows, which is the head of an adaptive softmax: from its input to the
gradient of that. ``fastlm_kernels.layers.output_columns`` has clusters and wide outputs, by the
same blocks."""

from __future__ import annotations

import numpy as np

from fastlm_kernels.layers.adaptive_softmax import output_of, target_in
from fastlm_kernels.layers.affine import affine_columns, backward_columns
from fastlm_kernels.layers.softmax import gradient_block, loss_of_blocks, softmax_block
from fastlm_kernels.runtime.arguments import BIAS, FAN_IN, FAN_OUT, WEIGHT, WIDTH_BEFORE
from fastlm_kernels.runtime.jit import inner_kernel


@inner_kernel
def sweep_output(scratch, workspace, params, network, plan, step, first, last):
    """The output's part of ``rows.forward_sweep``; returns the sum of the rows' losses (nats).

    The logits are worked on in blocks of columns that stay in the cache: forward up to their
    exponentials, and, once the sums of these are known, from there to the gradient.
    """
    layer = network.depth - 1
    fan_in = network.layers[layer, FAN_IN]
    fan_out = network.layers[layer, FAN_OUT]
    x0 = plan.batch * network.layers[layer, WIDTH_BEFORE] + first * fan_in
    part = np.int64(0)
    blocks = (fan_out + plan.logit_columns - 1) // plan.logit_columns
    for block in range(blocks):
        start = block * plan.logit_columns
        forward_block(
            scratch, workspace, params, network, plan, step, part, first, last,
            first * fan_out + start, fan_out, start,
            min(plan.logit_columns, fan_out - start), first, block,
        )  # fmt: skip
    loss = 0.0
    for row in range(first, last):
        loss += loss_of_blocks(scratch.marks[row])
    # From the last block on, which is in the cache still.
    for back in range(blocks):
        block = blocks - 1 - back
        start = block * plan.logit_columns
        backward_block(
            scratch.d_inputs, x0, scratch, workspace, params, network, plan, step, part, first,
            last, first * fan_out + start, fan_out, start,
            min(plan.logit_columns, fan_out - start), first, block,
            0.0 if back == 0 else 1.0,
        )  # fmt: skip
    return loss


@inner_kernel
def forward_block(
    scratch, workspace, params, network, plan, step, part, low, high, z0, ldz, start, columns,
    mark, block,
):  # fmt: skip
    """Some columns of logits, up to their exponentials.

    part : of the output, see ``clusters``; low, high : of which rows
    z0, ldz : where in scratch.logits the block lies, and how far apart its rows are
    start, columns : of the part's columns
    mark : where in scratch.marks row ``low`` has its own; block : see ``softmax_block``
    """
    table = network.layers
    layer = output_of(network, part)
    fan_in = table[layer, FAN_IN]
    affine_columns(
        scratch.logits, z0, ldz, workspace, scratch.inputs,
        plan.batch * table[layer, WIDTH_BEFORE] + low * fan_in, params, table[layer, WEIGHT],
        table[layer, BIAS], high - low, fan_in, table[layer, FAN_OUT], start, columns,
    )  # fmt: skip
    targets = scratch.targets[step % 2]
    for row in range(low, high):
        z = z0 + (row - low) * ldz
        softmax_block(
            scratch.logits[z : z + columns], scratch.marks[mark + row - low], block,
            target_in(part, np.int64(targets[row]), network.cutoffs) - start,
        )  # fmt: skip


@inner_kernel
def backward_block(
    d_x, d0, scratch, workspace, params, network, plan, step, part, low, high, z0, ldz, start,
    columns, mark, block, beta,
):  # fmt: skip
    """From the exponentials of ``forward_block`` to their gradient, and what these columns add to
    that of their input: d_x = d_logits @ W^T + beta d_x.

    d_x : float32[...], the rows from d0 on, the width of the part's input apart. Behind ReLU only
        where that input is not zero
    The others are as for ``forward_block``.
    """
    targets = scratch.targets[step % 2]
    for row in range(low, high):
        z = z0 + (row - low) * ldz
        gradient_block(
            scratch.logits[z : z + columns], scratch.marks[mark + row - low], block,
            target_in(part, np.int64(targets[row]), network.cutoffs) - start,
        )  # fmt: skip
    table = network.layers
    layer = output_of(network, part)
    fan_in = table[layer, FAN_IN]
    backward_columns(
        d_x, d0, scratch.inputs, plan.batch * table[layer, WIDTH_BEFORE] + low * fan_in, workspace,
        scratch.logits, z0, ldz, params, table[layer, WEIGHT], high - low, fan_in,
        table[layer, FAN_OUT], start, columns, beta, part == 0 and layer > 0,
    )  # fmt: skip
