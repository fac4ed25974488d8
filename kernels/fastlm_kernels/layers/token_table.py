"""The first layer as a sum of shares: what each token adds to it from its place in the context.

The first layer is affine in the embeddings, and a context is C of them side by side, so that

    x @ W1 + b = b + sum over c of share[v_c, c]
    share[v, c] = embeddings[v] @ W1[c E : (c + 1) E]

With few different tokens the shares are fewer than the examples' places: they are computed once,
and an example costs C additions of N numbers in place of a product with C E N multiplications.
"""

from __future__ import annotations

import numpy as np

from fastlm_kernels.linalg.gemm import gemm
from fastlm_kernels.runtime.arguments import BIAS, FAN_OUT, WEIGHT
from fastlm_kernels.runtime.jit import inner_kernel

F = np.float32


@inner_kernel
def fill_shares(table, slot, place, vectors, workspace, params, network, count):
    """Compute ``count`` tokens' shares at one place, from ``slot`` on.

    vectors : float32[count * E, or more], the tokens' embeddings
    """
    embed = network.embed
    width = network.layers[0, FAN_OUT]
    gemm(
        table.shares, (place * table.ids.size + slot) * width, width,
        vectors, np.int64(0), embed, np.int64(1),
        params, network.layers[0, WEIGHT] + place * embed * width, width, np.bool_(False),
        count, width, embed, 1.0, 0.0, workspace,
    )  # fmt: skip


@inner_kernel
def share_start(table, id, place, network):
    """Where in ``table.shares`` the share of a token at a place (0 the oldest) starts."""
    width = network.layers[0, FAN_OUT]
    return (place * table.ids.size + np.int64(table.slots[id])) * width


@inner_kernel
def sum_shares(out, out0, shares, starts, first, params, network):
    """out[out0 : out0 + N] = b + the C shares that begin at starts[first : first + C]."""
    width = network.layers[0, FAN_OUT]
    bias = network.layers[0, BIAS]
    y = out[out0 : out0 + width]
    if bias >= 0:
        b = params[bias : bias + width]
        for j in range(width):
            y[j] = b[j]
    else:
        for j in range(width):
            y[j] = F(0)
    add_spans(
        out, out0, width, shares, np.int64(0), starts, first, first + network.context, np.int64(1)
    )


@inner_kernel
def add_spans(out, out0, width, values, values0, starts, first, stop, unit):
    """out[out0 : out0 + width] += the spans of ``values`` that begin at values0 + starts[i] * unit
    for first <= i < stop.

    Four at a time: the sum is read and written once for four of them.
    """
    y = out[out0 : out0 + width]
    while first + 4 <= stop:
        start0 = values0 + np.int64(starts[first]) * unit
        start1 = values0 + np.int64(starts[first + 1]) * unit
        start2 = values0 + np.int64(starts[first + 2]) * unit
        start3 = values0 + np.int64(starts[first + 3]) * unit
        span0 = values[start0 : start0 + width]
        span1 = values[start1 : start1 + width]
        span2 = values[start2 : start2 + width]
        span3 = values[start3 : start3 + width]
        for j in range(width):
            y[j] += (span0[j] + span1[j]) + (span2[j] + span3[j])
        first += 4
    while first < stop:
        start0 = values0 + np.int64(starts[first]) * unit
        span0 = values[start0 : start0 + width]
        for j in range(width):
            y[j] += span0[j]
        first += 1
