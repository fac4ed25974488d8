"""The units of a training step: what ``passes.training`` calls through addresses.

All have the same arguments, so that one type of call serves for all of them:

shared : the address of state, scratch, workspace, network and plan (``runtime.units.share``)
step : int64
first, last : the rows, or the columns, or for tiles the tile and what each unit says
layer, offset : int64, what each unit says
rate : float64, the learning rate

They return float64, 0 where there is nothing to return.
"""

from __future__ import annotations

from collections import namedtuple

import numpy as np

from fastlm_kernels.layers.adaptive_softmax import part_of, part_rows
from fastlm_kernels.layers.affine import accumulate_gradient, apply_momentum
from fastlm_kernels.layers.embedding import update_embeddings, update_far
from fastlm_kernels.layers.output import sweep_output
from fastlm_kernels.layers.output_columns import (
    add_columns,
    backward_columns_block,
    column_sums,
    forward_columns,
)
from fastlm_kernels.layers.token_table_training import (
    fill_training_table,
    update_position,
    update_table_embeddings,
)
from fastlm_kernels.passes.rows import (
    backward_sweep,
    forward_sweep,
    gathered_buffer,
    sort_rows,
    uses_transposed_input,
)
from fastlm_kernels.runtime.arguments import (
    BIAS,
    FAN_IN,
    FAN_OUT,
    WEIGHT,
    WIDTH_BEFORE,
)
from fastlm_kernels.runtime.jit import inner_kernel, unit_kernel
from fastlm_kernels.runtime.units import load_shared


@unit_kernel
def forward(shared, step, first, last, layer, offset, rate):
    """Run ``forward_sweep`` for the rows first to last."""
    state, scratch, workspace, network, plan = load_shared(shared)
    forward_sweep(scratch, workspace, state.params, network, plan, step, first, last)
    return 0.0


@unit_kernel
def output(shared, step, first, last, layer, offset, rate):
    """Run ``sweep_output`` for the rows first to last; return their loss (nats)."""
    state, scratch, workspace, network, plan = load_shared(shared)
    return sweep_output(scratch, workspace, state.params, network, plan, step, first, last)


@unit_kernel
def backward(shared, step, first, last, layer, offset, rate):
    """Run ``backward_sweep`` for the rows first to last."""
    state, scratch, workspace, network, plan = load_shared(shared)
    backward_sweep(scratch, workspace, state.params, network, plan, step, first, last)
    return 0.0


@unit_kernel
def columns(shared, step, first, last, layer, offset, rate):
    """Run ``forward_columns`` for the tile ``first``."""
    state, scratch, workspace, network, plan = load_shared(shared)
    forward_columns(scratch, workspace, state.params, network, plan, step, first)
    return 0.0


@unit_kernel
def sum_columns(shared, step, first, last, layer, offset, rate):
    """Run ``column_sums`` for the rows first to last; return their loss (nats)."""
    _state, scratch, _workspace, network, plan = load_shared(shared)
    return column_sums(scratch, network, plan, step, first, last)


@unit_kernel
def columns_to_rows(shared, step, first, last, layer, offset, rate):
    """Run ``add_columns`` for the rows first to last."""
    state, scratch, workspace, network, plan = load_shared(shared)
    add_columns(scratch, workspace, state.params, network, plan, step, first, last)
    return 0.0


@unit_kernel
def columns_backward(shared, step, first, last, layer, offset, rate):
    """Run ``backward_columns_block`` for the tile ``first``, from its column ``last`` on."""
    state, scratch, workspace, network, plan = load_shared(shared)
    backward_columns_block(scratch, workspace, state.params, network, plan, step, first, last)
    return 0.0


@unit_kernel
def layer_update(shared, step, first, last, layer, offset, rate):
    """Update the weights of a layer's columns first to last, their logits at ``offset`` or -1."""
    state, scratch, workspace, network, plan = load_shared(shared)
    layer_gradient(
        state.momentum, scratch, workspace, network, plan, step, layer, first, last, offset,
        last - first,
        (1.0 - plan.beta) / plan.batch, plan.beta,
    )  # fmt: skip
    table = network.layers
    apply_momentum(
        state.params, state.momentum, table[layer, WEIGHT], table[layer, BIAS],
        table[layer, FAN_IN], table[layer, FAN_OUT], first, last, rate,
    )  # fmt: skip
    return 0.0


@unit_kernel
def embeddings_update(shared, step, first, last, layer, offset, rate):
    """Run ``update_embeddings`` for bucket ``first`` of ``last``; layer 1: only prepare."""
    state, scratch, _workspace, network, plan = load_shared(shared)
    update_embeddings(
        state.params, state.momentum, state.row_steps, scratch.contexts[step % 2],
        scratch.contexts[gathered_buffer(network, step + 1)], scratch.occurrences[first],
        scratch.d_inputs, scratch.far_weights, scratch.decays, first, last, network,
        network.layers[0, FAN_IN], step, rate, plan.beta, (1.0 - plan.beta) / plan.batch,
        plan.embed_scale, layer,
    )  # fmt: skip
    return 0.0


@unit_kernel
def far_update(shared, step, first, last, layer, offset, rate):
    """Run ``update_far``."""
    state, scratch, _workspace, network, plan = load_shared(shared)
    update_far(
        state.params, state.momentum, scratch.d_far, plan.row_tiles, network, rate, plan.beta,
        (1.0 - plan.beta) / plan.batch,
    )  # fmt: skip
    return 0.0


@unit_kernel
def sort(shared, step, first, last, layer, offset, rate):
    """Run ``sort_rows``."""
    _state, scratch, _workspace, network, plan = load_shared(shared)
    sort_rows(scratch, network, plan, step)
    return 0.0


@unit_kernel
def table_position(shared, step, first, last, layer, offset, rate):
    """Run ``update_position`` for the position ``first``."""
    state, scratch, workspace, network, plan = load_shared(shared)
    update_position(
        state, scratch, workspace, network, plan, step, first, rate,
        (1.0 - plan.beta) / plan.batch,
    )  # fmt: skip
    return 0.0


@unit_kernel
def table_embeddings(shared, step, first, last, layer, offset, rate):
    """Run ``update_table_embeddings`` for the tile ``first``; layer 1: only prepare."""
    state, scratch, _workspace, network, plan = load_shared(shared)
    update_table_embeddings(
        state, scratch, network, plan, step, first, rate, (1.0 - plan.beta) / plan.batch, layer
    )
    return 0.0


@unit_kernel
def table_fill(shared, step, first, last, layer, offset, rate):
    """Run ``fill_training_table`` for the position ``first``."""
    state, scratch, workspace, network, plan = load_shared(shared)
    fill_training_table(scratch, workspace, state.params, network, plan, step, first)
    return 0.0


UNITS = {
    "forward": forward,
    "output": output,
    "backward": backward,
    "columns": columns,
    "column_sums": sum_columns,
    "columns_to_rows": columns_to_rows,
    "columns_backward": columns_backward,
    "layer": layer_update,
    "embeddings": embeddings_update,
    "far": far_update,
    "sort": sort,
    "table_position": table_position,
    "table_embeddings": table_embeddings,
    "table_fill": table_fill,
}
"""The unit of each field of ``Units``."""

Units = namedtuple("Units", UNITS)


@inner_kernel
def layer_gradient(
    target, scratch, workspace, network, plan, step, layer, start, stop, d0, ldd, scale, beta
):  # fmt: skip
    """Compute target = beta * target + scale * gradient for the columns start to stop of one layer.

    The rows are the whole batch, or for a projection or tail those of its cluster.

    target : float32[n], the momentum or a gradient, changed
    d0, ldd : for columns of a block of the output their offset in scratch.logits, and the columns
        of the block; else -1 and any number
    """
    table = network.layers
    fan_in = table[layer, FAN_IN]
    fan_out = table[layer, FAN_OUT]
    first = np.int64(0)
    last = plan.batch
    if layer >= network.depth:
        part = part_of(network, layer)
        first, last = part_rows(scratch.cluster_starts[step % 2], part, first, last)
    d_out = scratch.logits
    if d0 < 0:
        ldd = fan_out
    if d0 < 0 and layer == network.depth - 1:
        d0 = start
    elif d0 < 0:  # it is the input of the next layer
        d_out = scratch.d_inputs
        d0 = plan.batch * table[layer + 1, WIDTH_BEFORE] + first * fan_out + start
    x = scratch.inputs
    x0 = plan.batch * table[layer, WIDTH_BEFORE]
    x_row, x_column = fan_in, np.int64(1)
    if uses_transposed_input(network, plan, layer):
        x = scratch.inputs_t
        x_row, x_column = np.int64(1), plan.batch
    accumulate_gradient(
        target, workspace, x, x0 + first * x_row, x_row, x_column, d_out, d0, ldd,
        table[layer, WEIGHT], table[layer, BIAS], last - first, fan_in, fan_out, start, stop,
        scale, beta,
    )  # fmt: skip
