"""The output layer by tiles of rows, forward and backward, in blocks of columns.

It is the head of an adaptive softmax; ``layers.output_columns`` has clusters and wide outputs, by
the same blocks.
"""

from __future__ import annotations

import numpy as np

from fastlm_kernels.layers.adaptive_softmax import output_of, target_column
from fastlm_kernels.layers.affine import affine_backward_columns, affine_columns
from fastlm_kernels.layers.softmax import gradient_block, loss_from_state, softmax_block
from fastlm_kernels.runtime.arguments import BIAS, FAN_IN, FAN_OUT, WEIGHT, WIDTH_BEFORE
from fastlm_kernels.runtime.jit import inner_kernel


@inner_kernel
def sweep_output(scratch, workspace, params, network, plan, step, first, last):
    """Run the output layer of some rows, forward and backward; return their loss (nats).

    Logits come in blocks of columns that stay in the cache: forward up to their exponentials and,
    once the sums of these are known, from there to the gradient.
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
        loss += loss_from_state(scratch.softmax_state[row])
    # From the last block on, which is still in the cache.
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
    state_row, block,
):  # fmt: skip
    """Compute a block of logits up to its exponentials.

    part : of the output, see ``layers.adaptive_softmax``
    low, high : the rows
    z0, ldz : offset of the block in scratch.logits, and the distance of its rows
    start, columns : the block's columns of the part
    state_row : row of ``low`` in scratch.softmax_state
    block : number of the block, see ``softmax_block``
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
            scratch.logits[z : z + columns], scratch.softmax_state[state_row + row - low], block,
            target_column(part, np.int64(targets[row]), network.cutoffs) - start,
        )  # fmt: skip


@inner_kernel
def backward_block(
    d_x, d0, scratch, workspace, params, network, plan, step, part, low, high, z0, ldz, start,
    columns, state_row, block, beta,
):  # fmt: skip
    """Turn the exponentials of ``forward_block`` into d_logits; d_x = d_logits @ W^T + beta d_x.

    d_x : float32[...], the rows of the part's input from d0 on; after ReLU only where that input is
        not zero
    Other arguments as in ``forward_block``.
    """
    targets = scratch.targets[step % 2]
    for row in range(low, high):
        z = z0 + (row - low) * ldz
        gradient_block(
            scratch.logits[z : z + columns], scratch.softmax_state[state_row + row - low], block,
            target_column(part, np.int64(targets[row]), network.cutoffs) - start,
        )  # fmt: skip
    table = network.layers
    layer = output_of(network, part)
    fan_in = table[layer, FAN_IN]
    affine_backward_columns(
        d_x, d0, scratch.inputs, plan.batch * table[layer, WIDTH_BEFORE] + low * fan_in, workspace,
        scratch.logits, z0, ldz, params, table[layer, WEIGHT], high - low, fan_in,
        table[layer, FAN_OUT], start, columns, beta, part == 0 and layer > 0,
    )  # fmt: skip
