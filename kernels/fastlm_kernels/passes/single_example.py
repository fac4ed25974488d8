"""Training example by example: a batch of one, each step in one thread.

For a full softmax without far context; ``train_steps`` takes the others.

With one example the update of a weight row k is M[k] = b M[k] + (1 - b) x_k delta, so a row whose
input x_k is zero (about half of those after a ReLU) has gradient zero. Like the row of an embedding
that did not occur it is left alone, and settled before it is next read. A row that is active is
read twice and written once: forward, then backward and update in one pass. Without momentum (b = 0)
the momentum array is not used.
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
from fastlm_kernels.layers.embedding import (
    SETTLE_EVERY,
    combine,
    decay_sums,
    settle_all,
    settle_range,
    settle_row,
)
from fastlm_kernels.layers.softmax import softmax_cross_entropy
from fastlm_kernels.linalg.simd import LANES, dot_and_update_row, narrow_one
from fastlm_kernels.passes.contexts import example_position, gather_context, token_at
from fastlm_kernels.runtime.arguments import BIAS, FAN_IN, FAN_OUT, WEIGHT, WIDTH_BEFORE
from fastlm_kernels.runtime.jit import JIT_DISABLED, inner_kernel, kernel

F = np.float32

# Columns from which on a row is worked on in whole vectors, which plain Python has not.
VECTOR_WIDTH = 2**62 if JIT_DISABLED else LANES


@kernel
def train_examples(losses, state, scratch, tokens, rates, network, plan, first_step):
    """Do as ``train_steps`` for a batch of one; ``losses`` and ``rates`` are float64[steps].

    Examples are fetched some steps ahead, since the corpus is slower to read than a small model to
    train (Tiny: 100 ns of 410 an example) and these reads do not wait for each other.
    """
    lookahead = scratch.contexts.shape[0]
    for nth in range(rates.size):
        step = first_step + nth
        index = nth % lookahead
        if index == 0:
            prefetch_examples(
                scratch, tokens, network, plan, step, min(lookahead, rates.size - nth)
            )
        state.rates[step % state.rates.size] = rates[nth]
        losses[nth] = train_example(
            state, scratch, scratch.contexts[index], np.int64(scratch.targets[index, 0]),
            network, plan, step, rates[nth],
        )  # fmt: skip
        if (step + 1) % SETTLE_EVERY == 0:
            settle_everything(state, network, plan, step + 1)


@kernel
def settle_everything(state, network, plan, step):
    """Settle all rows of the embeddings and of the weights up to ``step``, if there is momentum."""
    if plan.beta == 0:
        return
    settle_all(state, network, plan, step)
    table = network.layers
    for layer in range(table.shape[0]):
        first = network.vocab + table[layer, WIDTH_BEFORE]
        for k in range(table[layer, FAN_IN]):
            settle_weights(
                state.params, state.momentum, state.row_steps, state.rates, first + k,
                table[layer, WEIGHT] + k * table[layer, FAN_OUT], table[layer, FAN_OUT],
                step, plan.beta,
            )  # fmt: skip


@inner_kernel
def settle_weights(params, momentum, row_steps, rates, row, start, width, step, beta):
    """Settle the row of a weight that starts at ``start`` up to ``step``."""
    since = row_steps[row]
    if since < step:
        row_steps[row] = step
        total, power = decay_sums(rates, since, step, beta)
        settle_range(params, momentum, start, start + width, total, power)


@inner_kernel
def settle_active(params, momentum, row_steps, rates, x, first, weight, width, step, beta):
    """Settle the rows of a weight [K, width] whose input in x [K] is not zero."""
    for k in range(x.size):
        if x[k] != F(0):
            settle_weights(
                params, momentum, row_steps, rates, first + k, weight + k * width, width,
                step, beta,
            )  # fmt: skip


@inner_kernel
def prefetch_examples(scratch, tokens, network, plan, step, count):
    """Fetch the contexts and targets of ``count`` examples, from that of ``step`` on."""
    for index in range(count):
        position = example_position(
            step + index, plan.examples, plan.first_target, plan.shuffle, plan.shuffle_block,
            plan.shuffle_window, plan.seed,
        )  # fmt: skip
        gather_context(
            scratch.contexts[index], tokens.ids, tokens.width, position, network.boundary
        )
        scratch.targets[index, 0] = token_at(tokens.ids, tokens.width, position)


@inner_kernel
def train_example(state, scratch, context, target, network, plan, step, rate):
    """Do one step; return the loss of its example before the update (nats)."""
    table = network.layers
    n_layers = table.shape[0]
    params = state.params
    inputs = scratch.inputs
    d_inputs = scratch.d_inputs
    if plan.beta > 0:
        for c in range(network.context):
            settle_row(
                params, state.momentum, state.row_steps, state.rates, np.int64(context[c]),
                network.embed, step, plan.beta, plan.embed_scale,
            )  # fmt: skip

    x = inputs[: table[0, FAN_IN]]
    combine(x, context, params, network)
    if plan.embed_dropout > 0:
        dropout_input(x, context, np.int64(0), step, network, plan)
    for layer in range(n_layers):
        x0 = table[layer, WIDTH_BEFORE]
        x = inputs[x0 : x0 + table[layer, FAN_IN]]
        if plan.beta > 0:
            settle_active(
                params, state.momentum, state.row_steps, state.rates, x, network.vocab + x0,
                table[layer, WEIGHT], table[layer, FAN_OUT], step, plan.beta,
            )  # fmt: skip
        if layer + 1 < n_layers:
            out0 = table[layer + 1, WIDTH_BEFORE]
            h = inputs[out0 : out0 + table[layer, FAN_OUT]]
            forward_example(h, x, params, table, layer, plan.beta)
            relu(h)
            if plan.dropout > 0:
                dropout(h, row_key(plan.seed, step, layer + 1, np.int64(0)), plan.dropout)
        else:
            forward_example(scratch.logits, x, params, table, layer, plan.beta)

    loss = softmax_cross_entropy(scratch.logits, target)

    delta = scratch.logits
    for layer in range(n_layers - 1, -1, -1):
        x0 = table[layer, WIDTH_BEFORE]
        x = inputs[x0 : x0 + table[layer, FAN_IN]]
        d_x = d_inputs[x0 : x0 + table[layer, FAN_IN]]
        if plan.beta > 0:
            update_weights(
                d_x, params, state.momentum, x, delta, table[layer, WEIGHT], plan.beta, rate
            )
            first = network.vocab + x0
            for k in range(x.size):
                if x[k] != F(0):
                    state.row_steps[first + k] = step + 1
        else:
            update_weights_plain(d_x, params, x, delta, table[layer, WEIGHT], rate)
        if table[layer, BIAS] >= 0:
            update_bias(params, state.momentum, delta, table[layer, BIAS], plan.beta, rate)
        if layer > 0:
            relu_dropout_backward(d_x, x, plan.dropout)
        elif plan.embed_dropout > 0:
            dropout_input(d_x, context, np.int64(0), step, network, plan)
        delta = d_x
    if plan.beta > 0:
        update_context(state, context, delta, network, plan, step, rate)
    else:
        update_context_plain(params, context, delta, network, rate * plan.embed_scale)
    return loss


@inner_kernel
def forward_example(out, x, params, table, layer, beta):
    """Run one affine layer: over the active rows, or without momentum over all."""
    if beta == 0 and out.size >= VECTOR_WIDTH:
        affine_plain(out, x, params, table[layer, WEIGHT], table[layer, BIAS])
    else:
        affine_example(out, x, params, table[layer, WEIGHT], table[layer, BIAS])


@inner_kernel
def affine_example(out, x, params, weight, bias):
    """Compute out = x @ W + b, over the rows of W whose input is not zero, four at a time.

    out : float32[N], written; x : float32[K]
    """
    width = out.size
    if bias >= 0:
        b = params[bias : bias + width]
        for j in range(width):
            out[j] = b[j]
    else:
        for j in range(width):
            out[j] = F(0)
    k = np.int64(0)
    while True:
        k0 = next_active(x, k)
        if k0 == x.size:
            return
        k1 = next_active(x, k0 + 1)
        k2 = next_active(x, k1 + 1)
        k3 = next_active(x, k2 + 1)
        if k3 >= x.size:
            for last in (k0, k1, k2):
                if last < x.size:
                    w = params[weight + last * width : weight + (last + 1) * width]
                    a = x[last]
                    for j in range(width):
                        out[j] += a * w[j]
            return
        w0 = params[weight + k0 * width : weight + (k0 + 1) * width]
        w1 = params[weight + k1 * width : weight + (k1 + 1) * width]
        w2 = params[weight + k2 * width : weight + (k2 + 1) * width]
        w3 = params[weight + k3 * width : weight + (k3 + 1) * width]
        a0, a1, a2, a3 = x[k0], x[k1], x[k2], x[k3]
        for j in range(width):
            out[j] += (a0 * w0[j] + a1 * w1[j]) + (a2 * w2[j] + a3 * w3[j])
        k = k3 + 1


@inner_kernel
def next_active(x, k):
    """Return the first index from k on whose element is not zero, else the size of x."""
    while k < x.size and x[k] == F(0):
        k += 1
    return min(k, x.size)


@inner_kernel
def update_weights(d_x, params, momentum, x, delta, weight, beta, rate):
    """Compute d_x = delta @ W^T and the update of W, for the inputs that are not zero.

    d_x : float32[K], written: 0 where x is
    x : float32[K], delta : float32[N]
    """
    width = delta.size
    decay = F(beta)
    share = F(1.0 - beta)
    move = F(rate)
    for k in range(x.size):
        d_x[k] = F(0)
        if x[k] != F(0):
            start = weight + k * width
            w = params[start : start + width]
            m = momentum[start : start + width]
            d_x[k] = backward_row(w, m, delta, share * x[k], decay, move)


@inner_kernel
def backward_row(w, m, delta, amount, decay, move):
    """Return w . delta before the update m = decay m + amount delta, w -= move m."""
    total = F(0)
    for j in range(delta.size):
        old = w[j]
        total += old * delta[j]
        new = decay * m[j] + amount * delta[j]
        m[j] = new
        w[j] = old - move * new
    return total


@inner_kernel
def update_weights_plain(d_x, params, x, delta, weight, rate):
    """Do as ``update_weights`` without momentum.

    In whole vectors Tiny's 32 rows of 27 take 121 ns, as a loop over each row 390.
    """
    width = delta.size
    move = F(rate)
    for k in range(x.size):
        start = weight + k * width
        if width >= VECTOR_WIDTH:
            d_x[k] = dot_and_update_row(params, start, width, delta, move * x[k])
        else:
            w = params[start : start + width]
            amount = move * x[k]
            total = F(0)
            for j in range(width):
                old = w[j]
                total += old * delta[j]
                w[j] = old - amount * delta[j]
            d_x[k] = total


@inner_kernel
def affine_plain(out, x, params, weight, bias):
    """Compute out = x @ W + b over all rows of W, a vector of columns at a time.

    The last vector is moved back to end with the row. Tiny's 32 rows of 27 take 47 ns, with
    ``affine_example`` 121.

    out : float32[N], written, N at least VECTOR_WIDTH; x : float32[K]
    """
    width = out.size
    for j in range(0, width, LANES):
        start = min(j, width - LANES)
        narrow_one(
            out, start, width, x, np.int64(0), x.size, np.int64(1), params, weight + start, width,
            x.size, F(1), F(0), np.int64(0),
        )  # fmt: skip
    if bias >= 0:
        b = params[bias : bias + width]
        for j in range(width):
            out[j] += b[j]


@inner_kernel
def update_bias(params, momentum, delta, bias, beta, rate):
    """Apply momentum and update to a bias."""
    decay = F(beta)
    share = F(1.0 - beta)
    move = F(rate)
    b = params[bias : bias + delta.size]
    m = momentum[bias : bias + delta.size]
    for j in range(delta.size):
        m[j] = decay * m[j] + share * delta[j]
        b[j] -= move * m[j]


@inner_kernel
def update_context(state, context, d_x, network, plan, step, rate):
    """Update the embeddings of the context.

    context : int32[C], d_x : float32[fan-in of the first layer]
    """
    embed = network.embed
    decay = F(plan.beta)
    share = F((1.0 - plan.beta) / (context.size if network.mean else 1))
    for c in range(context.size):
        row = np.int64(context[c])
        m = state.momentum[row * embed : (row + 1) * embed]
        source = 0 if network.mean else c * embed
        d = d_x[source : source + embed]
        if state.row_steps[row] >= 0:  # its first occurrence in this context
            state.row_steps[row] = -1
            for e in range(embed):
                m[e] = decay * m[e] + share * d[e]
        else:
            for e in range(embed):
                m[e] += share * d[e]
    for c in range(context.size):
        row = np.int64(context[c])
        if state.row_steps[row] < 0:
            state.row_steps[row] = step + 1
            move = F(rate * plan.embed_scale)
            w = state.params[row * embed : (row + 1) * embed]
            m = state.momentum[row * embed : (row + 1) * embed]
            for e in range(embed):
                w[e] -= move * m[e]


@inner_kernel
def update_context_plain(params, context, d_x, network, rate):
    """Do as ``update_context`` without momentum: a row that occurs twice moves twice."""
    embed = network.embed
    move = F(rate / (context.size if network.mean else 1))
    for c in range(context.size):
        row = np.int64(context[c])
        w = params[row * embed : (row + 1) * embed]
        source = 0 if network.mean else c * embed
        d = d_x[source : source + embed]
        for e in range(embed):
            w[e] -= move * d[e]
