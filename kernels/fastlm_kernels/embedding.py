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
def combine(x, context, params, network):
    """The input of the first layer.

    x : float32[C * E] (concatenation) or float32[E] (mean), then E for each pool; written
    context : int32[span]
    """
    embed = network.embed
    near = network.span - network.context
    if network.mean:
        share = F(1.0 / network.context)
        for e in range(embed):
            x[e] = F(0)
        for c in range(network.context):
            row = params[context[near + c] * embed : (context[near + c] + 1) * embed]
            for e in range(embed):
                x[e] += row[e]
        for e in range(embed):
            x[e] *= share
    else:
        for c in range(network.context):
            row = params[context[near + c] * embed : (context[near + c] + 1) * embed]
            out = x[c * embed : (c + 1) * embed]
            for e in range(embed):
                out[e] = row[e]
    weight = network.vocab * embed
    start = x.size - network.far.size * embed
    stop = near
    for pool in range(network.far.size):
        out = x[start : start + embed]
        for e in range(embed):
            out[e] = F(0)
        for c in range(stop - network.far[pool], stop):
            row = params[context[c] * embed : (context[c] + 1) * embed]
            w = params[weight : weight + embed]
            for e in range(embed):
                out[e] += w[e] * row[e]
            weight += embed
        stop -= network.far[pool]
        start += embed


@inner_kernel
def far_gradient(d_far, context, d_x, params, network):
    """d_far += what one example adds to the gradient of the pools' weights.

    d_far : float32[sum of far * E]; context : int32[span]; d_x : float32[fan-in of the first layer]
    """
    embed = network.embed
    weight = 0
    start = d_x.size - network.far.size * embed
    stop = network.span - network.context
    for pool in range(network.far.size):
        d = d_x[start : start + embed]
        for c in range(stop - network.far[pool], stop):
            row = params[context[c] * embed : (context[c] + 1) * embed]
            total = d_far[weight : weight + embed]
            for e in range(embed):
                total[e] += row[e] * d[e]
            weight += embed
        stop -= network.far[pool]
        start += embed


@inner_kernel
def update_far(params, momentum, d_far, tiles, network, rate, beta, scale):
    """Momentum and weights of the pools from the gradients by row tile, in the tiles' order."""
    first = network.vocab * network.embed
    size = (network.span - network.context) * network.embed
    w = params[first : first + size]
    m = momentum[first : first + size]
    decay = F(beta)
    share = F(scale)
    move = F(rate)
    for j in range(size):
        total = F(0)
        for tile in range(tiles):
            total += d_far[tile * size + j]
        m[j] = decay * m[j] + share * total
        w[j] -= move * m[j]


@inner_kernel
def far_position(network, c):
    """(which pool, which row of the pools' weights) the context position c belongs to; (-1, -1)
    where it is near."""
    stop = network.span - network.context
    if c >= stop:
        return np.int64(-1), np.int64(-1)
    before = np.int64(0)
    for pool in range(network.far.size):
        start = stop - network.far[pool]
        if c >= start:
            return pool, before + c - start
        before += network.far[pool]
        stop = start
    return np.int64(-1), np.int64(-1)  # not reached


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
def settle_row(params, momentum, row_steps, rates, row, embed, step, beta, embed_scales):
    """Apply to one embedding row what its momentum did in the steps before ``step``."""
    since = row_steps[row]
    if since < step:
        row_steps[row] = step
        if beta > 0:
            total, power = decay_of(rates, since, step, beta)
            start = row * embed
            settle_span(params, momentum, start, start + embed, total * embed_scales[row], power)


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
            step, plan.beta, plan.embed_scales,
        )  # fmt: skip


@inner_kernel
def update_embeddings(
    params, momentum, row_steps, contexts, next_contexts, d_x, far, rates,
    rest, divisor, network, width, step, rate, beta, scale, embed_scales,
):  # fmt: skip
    """One step for the rows that occur and whose id leaves ``rest`` divided by ``divisor``, a power
    of two; then those that the next step will read are settled: all of them where the vocabulary is
    small, and every SETTLE_EVERY steps.

    contexts, next_contexts : int32[B * span], of this step (its rows are settled) and of the next
    d_x : float32[B * width], gradient of the first layer's input
    far : float32[sum of far * E], the pools' weights
    scale : (1 - beta) / B
    Sums run over positions, then examples, whoever runs the tile.
    """
    vocab = network.vocab
    embed = network.embed
    decay = F(beta)
    mask = divisor - 1
    for c in range(network.span):
        source, weight, share = gradient_place(network, width, c, scale)
        for k in range(c, contexts.size, network.span):
            row = np.int64(contexts[k])
            if row & mask == rest:
                m = momentum[row * embed : (row + 1) * embed]
                if row_steps[row] >= 0:  # its first occurrence in this step
                    row_steps[row] = -1
                    for e in range(embed):
                        m[e] *= decay
                add_gradient(m, d_x, far, source, weight, share)
            source += width
    everywhere = vocab <= contexts.size or (step + 1) % SETTLE_EVERY == 0
    if everywhere:  # looking at all rows is no more work than looking at all occurrences
        for row in range(rest, vocab, divisor):
            if row_steps[row] < 0:
                move = F(rate * embed_scales[row])
                descend_row(params, momentum, row * embed, embed, move)
                row_steps[row] = step + 1
            else:
                settle_row(
                    params, momentum, row_steps, rates, row, embed, step + 1, beta, embed_scales
                )
        return
    for k in range(contexts.size):
        row = np.int64(contexts[k])
        if row & mask == rest and row_steps[row] < 0:
            move = F(rate * embed_scales[row])
            descend_row(params, momentum, row * embed, embed, move)
            row_steps[row] = step + 1
    settle_rows(
        params, momentum, row_steps, next_contexts, rates,
        rest, divisor, embed, step + 1, beta, embed_scales,
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
    rest, divisor, embed, step, beta, embed_scales,
):  # fmt: skip
    """Settle the rows that ``step`` will read and whose id leaves ``rest`` divided by ``divisor``.

    The row sweep could not do it: several threads read the same row there.
    """
    mask = divisor - 1
    for k in range(contexts.size):
        row = np.int64(contexts[k])
        if row & mask == rest:
            settle_row(params, momentum, row_steps, rates, row, embed, step, beta, embed_scales)


@inner_kernel
def gradient_place(network, width, c, scale):
    """Where the gradient of the embedding at context position c begins in d_x, which row of the
    pools' weights scales it (-1: none), and the factor for all of it."""
    pool, weight = far_position(network, c)
    if pool >= 0:
        return width - (network.far.size - pool) * network.embed, weight, F(scale)
    if network.mean:
        return np.int64(0), weight, F(scale / network.context)
    return (c - network.span + network.context) * network.embed, weight, F(scale)


@inner_kernel
def add_gradient(out, d_x, far, source, weight, share):
    """out += share * d_x[source ...], times the pool's weights where there are."""
    embed = out.size
    d = d_x[source : source + embed]
    if weight < 0:
        for e in range(embed):
            out[e] += share * d[e]
    else:
        w = far[weight * embed : (weight + 1) * embed]
        for e in range(embed):
            out[e] += share * w[e] * d[e]


@inner_kernel
def scatter_gradient(grad, contexts, d_x, far, network, width, scale):
    """grad[row] += scale * d_x for every occurrence: the gradient of the embeddings, materialised.

    grad : float32[V * E], zeroed by the caller
    """
    embed = network.embed
    for c in range(network.span):
        source, weight, share = gradient_place(network, width, c, scale)
        for k in range(c, contexts.size, network.span):
            start = np.int64(contexts[k]) * embed
            add_gradient(grad[start : start + embed], d_x, far, source, weight, share)
            source += width
