"""Training's first layer as a sum of shares (``fastlm_kernels.layers.token_table``).

Dropout of the input gives a token one mask for each place, so it is applied to the embeddings.
Going back, all examples with token v at place c have the same input x[v, c] there, so that the
gradient of their outputs can be summed first, to S[v, c]. With W1[c], the layer's rows for place c,

    d W1[c] = sum over v of x[v, c]^T S[v, c]        d x[v, c] = S[v, c] W1[c]^T

which are products of D tokens in place of B examples: a character MLP's take a quarter.
"""

from __future__ import annotations

import numpy as np

from fastlm_kernels.layers.activation import dropout, token_key
from fastlm_kernels.layers.affine import decay_span, descend
from fastlm_kernels.layers.embedding import SETTLE_EVERY, settle_row_by
from fastlm_kernels.layers.token_table import add_spans, fill_shares, share_start, sum_shares
from fastlm_kernels.linalg.gemm import gemm
from fastlm_kernels.runtime.arguments import BIAS, FAN_OUT, WEIGHT, WIDTH_BEFORE
from fastlm_kernels.runtime.jit import inner_kernel

F = np.float32


ONE = np.int64(1)


@inner_kernel
def make_shares(scratch, workspace, params, network, plan, step, place):
    """The shares of all tokens of the table at one place, in the step ``step``."""
    embed = network.embed
    table = scratch.table
    size = table.ids.size * embed
    vectors = scratch.vectors[place * size : (place + 1) * size]
    for slot in range(table.ids.size):
        id = np.int64(table.ids[slot])
        w = params[id * embed : (id + 1) * embed]
        x = vectors[slot * embed : (slot + 1) * embed]
        for e in range(embed):
            x[e] = w[e]
        if plan.embed_dropout > 0:
            dropout(x, token_key(plan.seed, step, place, id, network.vocab), plan.embed_dropout)
    fill_shares(
        table, np.int64(0), place, vectors, workspace, params, network, np.int64(table.ids.size)
    )


@inner_kernel
def add_shares(scratch, params, network, plan, step, first, last):
    """The first layer's output for the rows first to last, whose contexts are gathered."""
    context = network.context
    width = network.layers[0, FAN_OUT]
    out0 = plan.batch * network.layers[1, WIDTH_BEFORE]
    contexts = scratch.contexts[step % 2]
    starts = scratch.starts_of_shares
    for row in range(first, last):
        for place in range(context):
            k = row * context + place
            starts[k] = share_start(scratch.table, contexts[k], place, network)
        sum_shares(
            scratch.inputs, out0 + row * width, scratch.table.shares, starts, row * context,
            params, network,
        )  # fmt: skip


@inner_kernel
def place_gradient(target, scratch, workspace, params, network, plan, step, place, scale, beta):
    """target = beta * target + scale * gradient for the first layer's rows of one place, and at
    place 0 for its bias. In scratch.vectors the tokens' vectors there give way to their gradients.

    target : float32[n], the momentum or (beta = 0) a gradient
    The sums of gradients take the place of the shares, which the rows have used.
    """
    embed = network.embed
    width = network.layers[0, FAN_OUT]
    tokens = scratch.table.ids.size
    sums = scratch.table.shares
    first = place * tokens * width
    sum_by_token(scratch, network, plan, step, place, first)
    bias = network.layers[0, BIAS]
    if place == 0 and bias >= 0:
        decay_span(target, bias, bias + width, F(beta))
        total = target[bias : bias + width]
        share = F(scale)
        for slot in range(tokens):
            s = sums[first + slot * width : first + (slot + 1) * width]
            for j in range(width):
                total[j] += share * s[j]
    weight = network.layers[0, WEIGHT] + place * embed * width
    vectors = place * tokens * embed
    gemm(
        target, weight, width, scratch.vectors, vectors, ONE, embed, sums, first, width,
        np.bool_(False), embed, width, tokens, scale, beta, workspace,
    )  # fmt: skip
    gemm(
        scratch.vectors, vectors, embed, sums, first, width, ONE, params, weight, width,
        np.bool_(True), tokens, embed, width, 1.0, 0.0, workspace,
    )  # fmt: skip
    if plan.embed_dropout > 0:
        for slot in range(tokens):
            id = np.int64(scratch.table.ids[slot])
            dropout(
                scratch.vectors[vectors + slot * embed : vectors + (slot + 1) * embed],
                token_key(plan.seed, step, place, id, network.vocab), plan.embed_dropout,
            )  # fmt: skip


@inner_kernel
def sum_by_token(scratch, network, plan, step, place, first):
    """The gradients of the first layer's output, summed over the rows that have a token at this
    place, for each token: in table.shares from ``first`` on."""
    batch = plan.batch
    width = network.layers[0, FAN_OUT]
    tokens = scratch.table.ids.size
    contexts = scratch.contexts[step % 2]
    slots = scratch.table.slots
    rows = scratch.rows_by_token[place * batch : (place + 1) * batch]
    starts = scratch.token_starts[place * (tokens + 1) : (place + 1) * (tokens + 1)]
    for slot in range(tokens + 1):
        starts[slot] = 0
    for row in range(batch):
        starts[slots[contexts[row * network.context + place]] + 1] += 1
    for slot in range(tokens):
        starts[slot + 1] += starts[slot]
    for row in range(batch):
        slot = slots[contexts[row * network.context + place]]
        rows[starts[slot]] = row
        starts[slot] += 1
    # Each token's start is now the next one's.
    d0 = batch * network.layers[1, WIDTH_BEFORE]
    sums = scratch.table.shares
    begin = np.int64(0)
    for slot in range(tokens):
        out0 = first + slot * width
        y = sums[out0 : out0 + width]
        for j in range(width):
            y[j] = F(0)
        end = np.int64(starts[slot])
        add_spans(sums, out0, width, scratch.d_inputs, d0, rows, begin, end, width)
        begin = end


@inner_kernel
def update_place(state, scratch, workspace, network, plan, step, place, rate, scale):
    """Momentum and weights of the first layer's rows for one place, and at place 0 of its bias."""
    width = network.layers[0, FAN_OUT]
    place_gradient(
        state.momentum, scratch, workspace, state.params, network, plan, step, place, scale,
        plan.beta,
    )  # fmt: skip
    bias = np.int64(-1)
    if place == 0:
        bias = network.layers[0, BIAS]
    descend(
        state.params, state.momentum, network.layers[0, WEIGHT] + place * network.embed * width,
        bias, network.embed, width, np.int64(0), width, rate,
    )  # fmt: skip


@inner_kernel
def vector_gradient(target, scratch, network, slot, scale, beta):
    """target = beta * target + scale * gradient for the embedding of one token of the table."""
    embed = network.embed
    tokens = scratch.table.ids.size
    row = np.int64(scratch.table.ids[slot])
    decay_span(target, row * embed, (row + 1) * embed, F(beta))
    m = target[row * embed : (row + 1) * embed]
    share = F(scale)
    for place in range(network.context):
        start = (place * tokens + slot) * embed
        d = scratch.vectors[start : start + embed]
        for e in range(embed):
            m[e] += share * d[e]


@inner_kernel
def update_vectors(state, scratch, network, plan, step, tile, rate, scale, only_prepare):
    """One step for some of the table's embeddings. Those which the batch does not have are no
    exception: their gradient is zero.

    only_prepare : 1: no step is done; rows are settled for the next
    """
    embed = network.embed
    move = F(rate * plan.embed_scale)
    for slot in range(tile, scratch.table.ids.size, plan.by_table):
        row = np.int64(scratch.table.ids[slot])
        if not only_prepare:
            vector_gradient(state.momentum, scratch, network, slot, scale, plan.beta)
            state.row_steps[row] = step + 1
            w = state.params[row * embed : (row + 1) * embed]
            m = state.momentum[row * embed : (row + 1) * embed]
            for e in range(embed):
                w[e] -= move * m[e]
        else:
            settle_row_by(
                scratch.decays, state.params, state.momentum, state.row_steps, row, embed,
                step + 1, plan.beta, plan.embed_scale,
            )  # fmt: skip
    if (step + 1) % SETTLE_EVERY == 0:
        for row in range(tile, network.vocab, plan.by_table):
            if scratch.table.slots[row] < 0:
                settle_row_by(
                    scratch.decays, state.params, state.momentum, state.row_steps, row, embed,
                    step + 1, plan.beta, plan.embed_scale,
                )  # fmt: skip
