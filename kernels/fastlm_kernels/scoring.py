"""Scoring text: -log p of every token of a token array, in order, and its sums text by text.

The first layer is affine in the embeddings, so the share of the token c places before the target is
one of V rows of a table that can be made ahead:

    share[c, v] = embeddings[v] @ W1[c E : (c + 1) E],      x @ W1 + b = b + sum over c of share

With it the first layer costs C additions of N numbers a position instead of a product with
C E N multiplications.
"""

import numpy as np

from fastlm_kernels.activation import relu
from fastlm_kernels.affine import affine
from fastlm_kernels.arguments import BIAS, FAN_IN, FAN_OUT, WEIGHT, WIDTH_BEFORE
from fastlm_kernels.contexts import gather_context, token_at
from fastlm_kernels.jit import exact_kernel, inner_kernel, kernel
from fastlm_kernels.rows import combine_rows, forward_layer
from fastlm_kernels.softmax import log_sum_exp
from fastlm_kernels.team import claim, finish

F = np.float32


@kernel
def fill_table(table, workspace, params, network):
    """What each token adds to the first layer from each place of the context.

    table : float32[C * V * N], written: the row of token v at place c (0 the oldest) starts at
        (c V + v) N. The layer's bias is part of every row of place 0.
    """
    vocab = network.vocab
    embed = network.embed
    width = network.layers[0, FAN_OUT]
    weight = network.layers[0, WEIGHT]
    for place in range(network.context):
        bias = network.layers[0, BIAS] if place == 0 else np.int64(-1)
        affine(
            table, place * vocab * width, workspace, params, np.int64(0), params,
            weight + place * embed * width, bias, vocab, embed, width,
        )  # fmt: skip


@inner_kernel
def add_shares(out, out0, contexts, table, vocab, context, width, count):
    """The first layer's output for ``count`` rows, from the table.

    out : float32[count * N] from ``out0``, written; contexts : int32[count * C]
    Four places at a time: y is read and written once for four rows of the table.
    """
    for row in range(count):
        y = out[out0 + row * width : out0 + (row + 1) * width]
        ids = contexts[row * context : (row + 1) * context]
        for j in range(width):
            y[j] = F(0)
        place = np.int64(0)
        while place + 4 <= context:
            start0 = share_start(place, ids[place], vocab, width)
            start1 = share_start(place + 1, ids[place + 1], vocab, width)
            start2 = share_start(place + 2, ids[place + 2], vocab, width)
            start3 = share_start(place + 3, ids[place + 3], vocab, width)
            share0 = table[start0 : start0 + width]
            share1 = table[start1 : start1 + width]
            share2 = table[start2 : start2 + width]
            share3 = table[start3 : start3 + width]
            for j in range(width):
                y[j] += (share0[j] + share1[j]) + (share2[j] + share3[j])
            place += 4
        while place < context:
            start0 = share_start(place, ids[place], vocab, width)
            share0 = table[start0 : start0 + width]
            for j in range(width):
                y[j] += share0[j]
            place += 1


@inner_kernel
def share_start(place, token, vocab, width):
    return (place * vocab + token) * width


@inner_kernel
def first_layer(out, out0, inputs, contexts, workspace, table, params, network, count):
    """The first affine layer of ``count`` rows, by the table or, where it is empty, by a product.

    out : float32[count * N] from ``out0``, written; inputs : float32[rows * sum of fan-ins]
    """
    fan_in = network.layers[0, FAN_IN]
    fan_out = network.layers[0, FAN_OUT]
    if table.size > 0:
        add_shares(out, out0, contexts, table, network.vocab, network.context, fan_out, count)
    else:
        combine_rows(inputs, contexts, params, network, np.int64(0), count)
        affine(
            out, out0, workspace, inputs, np.int64(0), params, network.layers[0, WEIGHT],
            network.layers[0, BIAS], count, fan_in, fan_out,
        )  # fmt: skip


@inner_kernel
def target_loss(z, target):
    """-log softmax(z)[target] in nats, float64; z : float32[V]."""
    return log_sum_exp(z) - z[target]


@kernel
def score_positions(
    losses, inputs, logits, contexts, workspace, sync, tokens, table, params, network, first, rows
):
    """-log p(token at first + i | its context), in nats, for every element i of ``losses``.

    losses : float64[n], written
    inputs : float32[rows * sum of fan-ins], logits : float32[rows * V], contexts : int32[rows * C],
        workspace : Workspace, each thread's own
    sync : int64[SYNC_SIZE], zeros, shared by the threads of the call
    table : of ``fill_table``, or float32[0] to multiply instead
    """
    context = network.context
    vocab = network.vocab
    layers = network.layers
    n_layers = layers.shape[0]
    tiles = (losses.size + rows - 1) // rows
    while True:
        tile = claim(sync, tiles, tiles, tiles)
        if tile < 0:
            return
        start = tile * rows
        count = min(rows, losses.size - start)
        for row in range(count):
            gather_context(
                contexts[row * context : (row + 1) * context],
                tokens.ids,
                tokens.width,
                first + start + row,
                network.boundary,
            )
        if n_layers > 1:
            place = rows * layers[1, WIDTH_BEFORE]
            first_layer(inputs, place, inputs, contexts, workspace, table, params, network, count)
            relu(inputs[place : place + count * layers[0, FAN_OUT]])
            for layer in range(1, n_layers - 1):
                out0, width = forward_layer(
                    inputs, workspace, inputs, params, network, layer, rows, np.int64(0), count
                )
                relu(inputs[out0 : out0 + count * width])
            forward_layer(
                logits, workspace, inputs, params, network, n_layers - 1, rows, np.int64(0), count
            )
        else:
            first_layer(
                logits, np.int64(0), inputs, contexts, workspace, table, params, network, count
            )
        for row in range(count):
            target = token_at(tokens.ids, tokens.width, first + start + row)
            losses[start + row] = target_loss(logits[row * vocab : (row + 1) * vocab], target)
        finish(sync)


@exact_kernel
def sum_texts(nats, known_nats, counts, oov, losses, tokens, counted, ends, first, unk):
    """Add up the losses of each text, one after the other in float64.

    So a sum does not depend on where the text lies, nor on where a long text was cut: its next part
    goes on from what is there.

    nats, known_nats : float64[texts], sums over all tokens and over those that are not ``unk``
    counts, oov : int64[texts], all tokens and those that are ``unk``
        All four are added to.
    losses : float64[n], of the tokens from ``first`` on
    counted : bool[n], which of these count
    ends : int64[texts], where in ``losses`` each text ends
    unk : the id of the unknown token, or -1
    """
    position = 0
    for text in range(ends.size):
        for i in range(position, ends[text]):
            if not counted[i]:
                continue
            counts[text] += 1
            nats[text] += losses[i]
            if token_at(tokens.ids, tokens.width, first + i) == unk:
                oov[text] += 1
            else:
                known_nats[text] += losses[i]
        position = ends[text]
