"""Embeddings: into the input of the first layer, and their momentum update.

A row that does not occur in a batch has gradient zero: its momentum only decays, and its weights
move by what decays. That is applied in closed form before the row is next read ("settled"), so
rows that do not occur cost nothing:

    k steps at rates r_1 .. r_k:   w -= m * (r_1 b + r_2 b^2 + ... + r_k b^k),   m *= b^k

Every SETTLE_EVERY steps all rows are settled, so that only so many rates need be remembered.
"""

import numpy as np

from fastlm_kernels.jit import exact_kernel, inner_kernel

F = np.float32

SETTLE_EVERY = 256


@inner_kernel
def combine(x, context, params, embed, mean):
    """The input of the first layer.

    x : float32[C * E] (concatenation) or float32[E] (mean), written
    context : int32[C]
    """
    if mean:
        share = F(1.0 / context.size)
        for e in range(embed):
            x[e] = F(0)
        for c in range(context.size):
            row = params[context[c] * embed : (context[c] + 1) * embed]
            for e in range(embed):
                x[e] += row[e]
        for e in range(embed):
            x[e] *= share
    else:
        for c in range(context.size):
            row = params[context[c] * embed : (context[c] + 1) * embed]
            out = x[c * embed : (c + 1) * embed]
            for e in range(embed):
                out[e] = row[e]


@exact_kernel
def decay_of(rates, since, until, beta):
    """(sum of r_s b^(s - since + 1), b^(until - since)) over the steps since <= s < until.

    rates : float64[SETTLE_EVERY + 1], the rate of step s at s mod (SETTLE_EVERY + 1)
    """
    total = 0.0
    power = 1.0
    for step in range(since, until):
        power *= beta
        total += rates[step % rates.size] * power
    return total, power


@exact_kernel
def settle_row(params, momentum, row_steps, rates, row, embed, step, beta, embed_scale):
    """Apply to one embedding row what its momentum did in the steps before ``step``."""
    since = row_steps[row]
    if since < step:
        row_steps[row] = step
        if beta > 0:
            total, power = decay_of(rates, since, step, beta)
            start = row * embed
            settle_span(params, momentum, start, start + embed, total * embed_scale, power)


@exact_kernel
def settle_span(params, momentum, start, stop, total, power):
    """w -= total m, m *= power for the elements start to stop."""
    move = F(total)
    decay = F(power)
    w = params[start:stop]
    m = momentum[start:stop]
    for j in range(w.size):
        w[j] -= move * m[j]
        m[j] *= decay


@exact_kernel
def settle_all(state, network, plan, step):
    """Settle every embedding row up to ``step``: what a reader of the arrays expects."""
    for row in range(network.vocab):
        settle_row(
            state.params, state.momentum, state.row_steps, state.rates, row, network.embed,
            step, plan.beta, plan.embed_scale,
        )  # fmt: skip


@inner_kernel
def update_embeddings(
    params, momentum, row_steps, contexts, next_contexts, d_x, rates,
    rest, divisor, vocab, context, embed, mean, step, rate, beta, scale, embed_scale,
):  # fmt: skip
    """One step for the rows that occur and whose id leaves ``rest`` divided by ``divisor``, a power
    of two; then those that the next step will read are settled: all of them where the vocabulary is
    small, and every SETTLE_EVERY steps.

    contexts, next_contexts : int32[B * C], of this step (its rows are settled) and of the next
    d_x : float32[B * C * E] or, for the mean, float32[B * E]
    scale : (1 - beta) / B, and 1 / C of it for the mean
    Sums run in the order of the examples, whoever runs the tile.
    """
    decay = F(beta)
    share = F(scale)
    mask = divisor - 1
    for k in range(contexts.size):
        row = np.int64(contexts[k])
        if row & mask != rest:
            continue
        m = momentum[row * embed : (row + 1) * embed]
        if row_steps[row] >= 0:  # its first occurrence in this step
            row_steps[row] = -1
            for e in range(embed):
                m[e] *= decay
        source = (k // context if mean else k) * embed
        d = d_x[source : source + embed]
        for e in range(embed):
            m[e] += share * d[e]
    move = F(rate * embed_scale)
    everywhere = vocab <= contexts.size or (step + 1) % SETTLE_EVERY == 0
    if everywhere:  # looking at all rows is no more work than looking at all occurrences
        for row in range(rest, vocab, divisor):
            if row_steps[row] < 0:
                descend_row(params, momentum, row * embed, embed, move)
                row_steps[row] = step + 1
            else:
                settle_row(
                    params, momentum, row_steps, rates, row, embed, step + 1, beta, embed_scale
                )
        return
    for k in range(contexts.size):
        row = np.int64(contexts[k])
        if row & mask == rest and row_steps[row] < 0:
            descend_row(params, momentum, row * embed, embed, move)
            row_steps[row] = step + 1
    settle_rows(
        params, momentum, row_steps, next_contexts, rates,
        rest, divisor, embed, step + 1, beta, embed_scale,
    )  # fmt: skip


@inner_kernel
def descend_row(params, momentum, start, width, move):
    w = params[start : start + width]
    m = momentum[start : start + width]
    for j in range(width):
        w[j] -= move * m[j]


@inner_kernel
def settle_rows(
    params, momentum, row_steps, contexts, rates,
    rest, divisor, embed, step, beta, embed_scale,
):  # fmt: skip
    """Settle the rows that ``step`` will read and whose id leaves ``rest`` divided by ``divisor``.

    The row sweep could not do it: several threads read the same row there.
    """
    mask = divisor - 1
    for k in range(contexts.size):
        row = np.int64(contexts[k])
        if row & mask == rest:
            settle_row(params, momentum, row_steps, rates, row, embed, step, beta, embed_scale)


@inner_kernel
def scatter_gradient(grad, contexts, d_x, context, embed, mean, scale):
    """grad[row] += scale * d_x for every occurrence: the gradient of the embeddings, materialised.

    grad : float32[V * E], zeroed by the caller
    """
    share = F(scale)
    for k in range(contexts.size):
        start = np.int64(contexts[k]) * embed
        source = (k // context if mean else k) * embed
        for e in range(embed):
            grad[start + e] += share * d_x[source + e]
