"""Training's first layer as a sum of shares (``fastlm_kernels.shares``), going forward.

Dropout of the input gives a token one mask for each place, so it is applied to the embeddings.
Going back most of the layer's output has gradient zero, and the product with each example's is the
cheaper one.
"""

import numpy as np

from fastlm_kernels.activation import dropout, token_key
from fastlm_kernels.arguments import FAN_OUT, WIDTH_BEFORE
from fastlm_kernels.jit import inner_kernel
from fastlm_kernels.shares import fill_shares, share_start, sum_shares


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
    """The first layer's input and output for the rows first to last; their contexts are known."""
    context = network.context
    embed = network.embed
    width = network.layers[0, FAN_OUT]
    out0 = plan.batch * network.layers[1, WIDTH_BEFORE]
    contexts = scratch.contexts[step % 2]
    starts = scratch.starts_of_shares
    for row in range(first, last):
        for place in range(context):
            k = row * context + place
            start = share_start(scratch.table, contexts[k], place, network)
            starts[k] = start
            vector = start // width * embed
            x = scratch.inputs[k * embed : (k + 1) * embed]
            v = scratch.vectors[vector : vector + embed]
            for e in range(embed):
                x[e] = v[e]
        sum_shares(
            scratch.inputs, out0 + row * width, scratch.table.shares, starts, row * context,
            params, network,
        )  # fmt: skip
