"""Embeddings and far-context pools: the first layer's input, gradients and momentum updates.

Rows that do not occur in a batch have gradient zero: their momentum only decays, and moves the
weights by what decays. This lazy update is applied in closed form before a row is next read (the
row is *settled*), so rows that do not occur cost nothing:

    k steps at rates r_1 .. r_k:   w -= m * (r_1 b + r_2 b^2 + ... + r_k b^k),   m *= b^k

Every SETTLE_EVERY steps all rows are settled, so that only that many rates are remembered.
"""

from __future__ import annotations

import numpy as np

from fastlm_kernels.layers.pooling import add_product, pool_gradient, pool_sum
from fastlm_kernels.runtime.jit import exact_kernel, inner_kernel

F = np.float32
SETTLE_EVERY = 256


@inner_kernel
def combine(x, context, params, network):
    """Gather the input of the first layer of one example.

    x : float32[C * E] (concatenation) or float32[E] (mean), then E for each pool; written
    context : int32[span], oldest token first
    params : float32[n]
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
        count = network.far[pool]
        stop -= count
        pool_sum(x, start, params, context, stop, count, weight, embed)
        weight += count * embed
        start += embed


@inner_kernel
def far_gradient(d_far, context, d_x, params, network):
    """Add one example's gradient of the pools' weights to d_far.

    d_far : float32[sum of far * E], changed
    context : int32[span]
    d_x : float32[fan-in of the first layer]
    """
    embed = network.embed
    weight = np.int64(0)
    start = d_x.size - network.far.size * embed
    stop = network.span - network.context
    for pool in range(network.far.size):
        count = network.far[pool]
        stop -= count
        pool_gradient(d_far, weight, params, context, stop, count, d_x, start, embed)
        weight += count * embed
        start += embed


@inner_kernel
def update_far(params, momentum, d_far, tiles, network, rate, beta, scale):
    """Update momentum and weights of the pools from the gradients by row tile, in tile order.

    d_far : float32[tiles * sum of far * E]
    scale : (1 - beta) / B
    """
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


@exact_kernel
def decay_sums(rates, since, until, beta):
    """Return (sum of r_s b^(s - since + 1), b^(until - since)) over the steps since <= s < until.

    rates : float64[SETTLE_EVERY + 1], the rate of step s at s mod (SETTLE_EVERY + 1)
    """
    total = 0.0
    power = 1.0
    for step in range(since, until):
        power *= beta
        total += rates[step % rates.size] * power
    return total, power


@exact_kernel
def fill_decays(decays, rates, until, beta):
    """Tabulate ``decay_sums`` for all rows that may have to be settled up to ``until``.

    T(since) = b (r_since + T(since + 1)), from the last step back.

    decays : float64[2, SETTLE_EVERY + 1], written: sum and power of k steps at index k
    """
    decays[0, 0] = 0.0
    decays[1, 0] = 1.0
    for k in range(1, until - (until - 1) // SETTLE_EVERY * SETTLE_EVERY + 1):
        decays[0, k] = beta * (rates[(until - k) % rates.size] + decays[0, k - 1])
        decays[1, k] = beta * decays[1, k - 1]


@exact_kernel
def settle_row(params, momentum, row_steps, rates, row, embed, step, beta, embed_scale):
    """Apply to one embedding row what its momentum did in the steps before ``step``.

    row_steps : int64[V or more], see ``State``; changed with params and momentum
    """
    since = row_steps[row]
    if since < step:
        row_steps[row] = step
        if beta > 0:
            total, power = decay_sums(rates, since, step, beta)
            start = row * embed
            settle_range(params, momentum, start, start + embed, total * embed_scale, power)


@exact_kernel
def settle_row_tabulated(decays, params, momentum, row_steps, row, embed, step, beta, embed_scale):
    """Do as ``settle_row`` by the table of ``fill_decays``, for many rows and many steps."""
    age = step - row_steps[row]
    if age > 0:
        row_steps[row] = step
        if beta > 0:
            start = row * embed
            settle_range(
                params, momentum, start, start + embed, decays[0, age] * embed_scale,
                decays[1, age],
            )  # fmt: skip


@exact_kernel
def settle_range(params, momentum, start, stop, total, power):
    """Apply w -= total m, m *= power for the elements start to stop."""
    move = F(total)
    decay = F(power)
    w = params[start:stop]
    m = momentum[start:stop]
    for j in range(w.size):
        w[j] -= move * m[j]
        m[j] *= decay


@exact_kernel
def settle_all(state, network, plan, step):
    """Settle every embedding row up to ``step``, as a reader of the arrays expects.

    state : State, changed
    """
    for row in range(network.vocab):
        settle_row(
            state.params, state.momentum, state.row_steps, state.rates, row, network.embed,
            step, plan.beta, plan.embed_scale,
        )  # fmt: skip


@inner_kernel
def update_embeddings(
    params, momentum, row_steps, contexts, next_contexts, occurrences, d_x, far_weights, decays,
    remainder, divisor, network, width, step, rate, beta, scale, embed_scale, only_prepare,
):  # fmt: skip
    """Do one step for the rows that occur in this tile, and settle those the next step will read.

    A tile has the rows whose id leaves ``remainder`` divided by ``divisor``, a power of two. All
    its rows are settled where the vocabulary is small, and every SETTLE_EVERY steps. Sums run in
    the order of the examples. (The row sweep cannot settle: several threads read the same row.)

    contexts, next_contexts : int32[B * span], of this step (its rows are settled) and of the next
    occurrences : int32[B * span], scratch of this tile
    d_x : float32[B * width], gradient of the first layer's input
    far_weights : float32[sum of far * E], the pools' weights as the row sweep read them
    decays : of ``fill_decays`` for the next step
    scale : (1 - beta) / B
    only_prepare : 1: no step is done, rows are settled for the next
    """
    vocab = network.vocab
    embed = network.embed
    decay = F(beta)
    count = np.int64(0)
    if not only_prepare:
        count = find_occurrences(occurrences, contexts, remainder, divisor)
    for n in range(count):
        k = np.int64(occurrences[n])
        row = np.int64(contexts[k])
        if row_steps[row] >= 0:  # its first occurrence in this step
            row_steps[row] = -1
            m = momentum[row * embed : (row + 1) * embed]
            for e in range(embed):
                m[e] *= decay
        add_occurrence(momentum, row, k, d_x, far_weights, network, width, scale)
    for n in range(count):
        row = np.int64(contexts[occurrences[n]])
        if row_steps[row] < 0:
            move_row(params, momentum, row_steps, row, embed, step, rate, embed_scale)
    small = 8 * vocab <= contexts.size  # then nearly all rows occur
    if small or (step + 1) % SETTLE_EVERY == 0:
        for row in range(remainder, vocab, divisor):
            settle_row_tabulated(
                decays, params, momentum, row_steps, row, embed, step + 1, beta, embed_scale
            )
        return
    for n in range(find_occurrences(occurrences, next_contexts, remainder, divisor)):
        settle_row_tabulated(
            decays, params, momentum, row_steps, np.int64(next_contexts[occurrences[n]]), embed,
            step + 1, beta, embed_scale,
        )  # fmt: skip


@inner_kernel
def find_occurrences(occurrences, contexts, remainder, divisor):
    """Collect the indices into ``contexts`` of ids that leave ``remainder``; return their count.

    It branches nowhere: three passes with a branch, which the processor mispredicts, took 3.8 ms
    for 32,768 ids.
    """
    count = np.int64(0)
    mask = divisor - 1
    for k in range(contexts.size):
        occurrences[count] = k
        count += (np.int64(contexts[k]) & mask) == remainder
    return count


@inner_kernel
def add_occurrence(out, row, k, d_x, far_weights, network, width, scale):
    """Add ``scale`` times the gradient of occurrence ``k`` of the contexts to its row of out."""
    embed = network.embed
    example = k // network.span
    c = k - example * network.span
    source = example * width + network.position_offsets[c, 0]
    weight = network.position_offsets[c, 1]
    if weight < 0:
        share = F(scale / network.context if network.mean else scale)
        total = out[row * embed : (row + 1) * embed]
        d = d_x[source : source + embed]
        for e in range(embed):
            total[e] += share * d[e]
    else:
        add_product(out, row * embed, far_weights, weight, d_x, source, embed, F(scale))


@inner_kernel
def move_row(params, momentum, row_steps, row, embed, step, rate, embed_scale):
    """Move the weights of a row whose momentum has all of its gradient."""
    row_steps[row] = step + 1
    move = F(rate * embed_scale)
    w = params[row * embed : (row + 1) * embed]
    m = momentum[row * embed : (row + 1) * embed]
    for e in range(embed):
        w[e] -= move * m[e]


@inner_kernel
def scatter_gradient(grad, contexts, d_x, far_weights, network, width, scale):
    """Materialise the gradient of the embeddings: grad[row] += scale * d_x for every occurrence.

    grad : float32[V * E], zeroed by the caller
    contexts : int32[B * span]
    """
    for k in range(contexts.size):
        add_occurrence(grad, np.int64(contexts[k]), k, d_x, far_weights, network, width, scale)
