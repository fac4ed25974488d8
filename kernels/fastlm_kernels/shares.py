"""The first layer as a sum of shares: what each token adds to it from its place in the context.

The first layer is affine in the embeddings, and a context is C of them side by side, so that

    x @ W1 + b = b + sum over c of share[v_c, c]
    share[v, c] = embeddings[v] @ W1[c E : (c + 1) E]

With few different tokens the shares are fewer than the examples' places: they are computed once,
and an example costs C additions of N numbers in place of a product with C E N multiplications.
"""

import numpy as np

from fastlm_kernels.arguments import BIAS, FAN_OUT, WEIGHT
from fastlm_kernels.gemm import gemm
from fastlm_kernels.jit import inner_kernel

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
    """out[out0 : out0 + N] = b + the C shares that begin at starts[first], starts[first + 1], ...

    Four at a time: the sum is read and written once for four of them.
    """
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
    stop = first + network.context
    while first + 4 <= stop:
        start0 = np.int64(starts[first])
        start1 = np.int64(starts[first + 1])
        start2 = np.int64(starts[first + 2])
        start3 = np.int64(starts[first + 3])
        share0 = shares[start0 : start0 + width]
        share1 = shares[start1 : start1 + width]
        share2 = shares[start2 : start2 + width]
        share3 = shares[start3 : start3 + width]
        for j in range(width):
            y[j] += (share0[j] + share1[j]) + (share2[j] + share3[j])
        first += 4
    while first < stop:
        start0 = np.int64(starts[first])
        share0 = shares[start0 : start0 + width]
        for j in range(width):
            y[j] += share0[j]
        first += 1
