"""Training with the token table (``layers.token_table``): forward, gradients and updates.

Dropout of the input gives a token one mask per position, so it is applied to the embeddings. In the
backward pass all examples with token v at position c have the same input x[c, v] there, so the
gradients of their outputs are summed first, to S[c, v]. With W1[c], the layer's rows for position
c,

    dW1[c] = sum over v of x[c, v]^T S[c, v]        dx[c, v] = S[c, v] W1[c]^T

These are products of D tokens in place of B examples: a quarter for a character model.
"""

from __future__ import annotations

import numpy as np

from fastlm_kernels.layers.activation import dropout, token_key
from fastlm_kernels.layers.affine import apply_momentum, scale_range
from fastlm_kernels.layers.embedding import SETTLE_EVERY, settle_row_tabulated
from fastlm_kernels.layers.token_table import add_rows, fill_table, sum_table_rows, table_offset
from fastlm_kernels.linalg.gemm import gemm
from fastlm_kernels.runtime.arguments import BIAS, FAN_OUT, WEIGHT, WIDTH_BEFORE
from fastlm_kernels.runtime.jit import inner_kernel

F = np.float32
ONE = np.int64(1)


@inner_kernel
def fill_training_table(scratch, workspace, params, network, plan, step, position):
    """Compute the table at one position for the step ``step``, embeddings dropped out."""
    embed = network.embed
    table = scratch.token_table
    size = table.ids.size * embed
    vectors = scratch.table_embeddings[position * size : (position + 1) * size]
    for table_row in range(table.ids.size):
        id = np.int64(table.ids[table_row])
        w = params[id * embed : (id + 1) * embed]
        x = vectors[table_row * embed : (table_row + 1) * embed]
        for e in range(embed):
            x[e] = w[e]
        if plan.embed_dropout > 0:
            dropout(x, token_key(plan.seed, step, position, id, network.vocab), plan.embed_dropout)
    fill_table(
        table, np.int64(0), position, vectors, workspace, params, network, np.int64(table.ids.size)
    )


@inner_kernel
def forward_table(scratch, params, network, plan, step, first, last):
    """Compute the first layer's output for the rows first to last, whose contexts are gathered."""
    context = network.context
    width = network.layers[0, FAN_OUT]
    out0 = plan.batch * network.layers[1, WIDTH_BEFORE]
    contexts = scratch.contexts[step % 2]
    offsets = scratch.table_offsets
    for row in range(first, last):
        for position in range(context):
            k = row * context + position
            offsets[k] = table_offset(scratch.token_table, contexts[k], position, network)
        sum_table_rows(
            scratch.inputs, out0 + row * width, scratch.token_table.values, offsets, row * context,
            params, network,
        )  # fmt: skip


@inner_kernel
def position_gradient(
    target, scratch, workspace, params, network, plan, step, position, scale, beta
):
    """Compute target = beta * target + scale * gradient for the first layer's rows of one position.

    At position 0 also for its bias. The sums of gradients overwrite the table, which the rows have
    used; gradients of the tokens' embeddings overwrite these in scratch.table_embeddings.

    target : float32[n], the momentum or (beta = 0) a gradient
    """
    embed = network.embed
    width = network.layers[0, FAN_OUT]
    tokens = scratch.token_table.ids.size
    sums = scratch.token_table.values
    first = position * tokens * width
    sum_by_token(scratch, network, plan, step, position, first)
    bias = network.layers[0, BIAS]
    if position == 0 and bias >= 0:
        scale_range(target, bias, bias + width, F(beta))
        total = target[bias : bias + width]
        share = F(scale)
        for table_row in range(tokens):
            s = sums[first + table_row * width : first + (table_row + 1) * width]
            for j in range(width):
                total[j] += share * s[j]
    weight = network.layers[0, WEIGHT] + position * embed * width
    vectors = position * tokens * embed
    gemm(
        target, weight, width, scratch.table_embeddings, vectors, ONE, embed, sums, first, width,
        np.bool_(False), embed, width, tokens, scale, beta, workspace,
    )  # fmt: skip
    gemm(
        scratch.table_embeddings, vectors, embed, sums, first, width, ONE, params, weight, width,
        np.bool_(True), tokens, embed, width, 1.0, 0.0, workspace,
    )  # fmt: skip
    if plan.embed_dropout > 0:
        for table_row in range(tokens):
            id = np.int64(scratch.token_table.ids[table_row])
            start = vectors + table_row * embed
            dropout(
                scratch.table_embeddings[start : start + embed],
                token_key(plan.seed, step, position, id, network.vocab), plan.embed_dropout,
            )  # fmt: skip


@inner_kernel
def sum_by_token(scratch, network, plan, step, position, first):
    """Sum the gradients of the first layer's output by the token at this position.

    The sums go to token_table.values from ``first`` on; rows are grouped by a counting sort.
    """
    batch = plan.batch
    width = network.layers[0, FAN_OUT]
    tokens = scratch.token_table.ids.size
    contexts = scratch.contexts[step % 2]
    table_rows = scratch.token_table.rows
    rows = scratch.rows_by_token[position * batch : (position + 1) * batch]
    starts = scratch.token_starts[position * (tokens + 1) : (position + 1) * (tokens + 1)]
    for table_row in range(tokens + 1):
        starts[table_row] = 0
    for row in range(batch):
        starts[table_rows[contexts[row * network.context + position]] + 1] += 1
    for table_row in range(tokens):
        starts[table_row + 1] += starts[table_row]
    for row in range(batch):
        table_row = table_rows[contexts[row * network.context + position]]
        rows[starts[table_row]] = row
        starts[table_row] += 1
    # Each token's start is now the next one's.
    d0 = batch * network.layers[1, WIDTH_BEFORE]
    sums = scratch.token_table.values
    begin = np.int64(0)
    for table_row in range(tokens):
        out0 = first + table_row * width
        y = sums[out0 : out0 + width]
        for j in range(width):
            y[j] = F(0)
        end = np.int64(starts[table_row])
        add_rows(sums, out0, width, scratch.d_inputs, d0, rows, begin, end, width)
        begin = end


@inner_kernel
def update_position(state, scratch, workspace, network, plan, step, position, rate, scale):
    """Update the first layer's rows for one position, and at position 0 its bias."""
    width = network.layers[0, FAN_OUT]
    position_gradient(
        state.momentum, scratch, workspace, state.params, network, plan, step, position, scale,
        plan.beta,
    )  # fmt: skip
    bias = np.int64(-1)
    if position == 0:
        bias = network.layers[0, BIAS]
    apply_momentum(
        state.params, state.momentum, network.layers[0, WEIGHT] + position * network.embed * width,
        bias, network.embed, width, np.int64(0), width, rate,
    )  # fmt: skip


@inner_kernel
def table_embedding_gradient(target, scratch, network, table_row, scale, beta):
    """Compute target = beta * target + scale * gradient for one embedding of the table."""
    embed = network.embed
    tokens = scratch.token_table.ids.size
    row = np.int64(scratch.token_table.ids[table_row])
    scale_range(target, row * embed, (row + 1) * embed, F(beta))
    m = target[row * embed : (row + 1) * embed]
    share = F(scale)
    for position in range(network.context):
        start = (position * tokens + table_row) * embed
        d = scratch.table_embeddings[start : start + embed]
        for e in range(embed):
            m[e] += share * d[e]


@inner_kernel
def update_table_embeddings(state, scratch, network, plan, step, tile, rate, scale, only_prepare):
    """Do one step for some of the table's embeddings, also for those that the batch has not.

    only_prepare : 1: no step is done, rows are settled for the next
    """
    embed = network.embed
    move = F(rate * plan.embed_scale)
    for table_row in range(tile, scratch.token_table.ids.size, plan.table_tiles):
        row = np.int64(scratch.token_table.ids[table_row])
        if not only_prepare:
            table_embedding_gradient(state.momentum, scratch, network, table_row, scale, plan.beta)
            state.row_steps[row] = step + 1
            w = state.params[row * embed : (row + 1) * embed]
            m = state.momentum[row * embed : (row + 1) * embed]
            for e in range(embed):
                w[e] -= move * m[e]
        else:
            settle_row_tabulated(
                scratch.decays, state.params, state.momentum, state.row_steps, row, embed,
                step + 1, plan.beta, plan.embed_scale,
            )  # fmt: skip
    if (step + 1) % SETTLE_EVERY == 0:
        for row in range(tile, network.vocab, plan.table_tiles):
            if scratch.token_table.rows[row] < 0:
                settle_row_tabulated(
                    scratch.decays, state.params, state.momentum, state.row_steps, row, embed,
                    step + 1, plan.beta, plan.embed_scale,
                )  # fmt: skip
