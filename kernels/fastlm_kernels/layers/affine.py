"""out = x @ W + b and its gradients, on rows of a batch."""

from __future__ import annotations

import numpy as np

from fastlm_kernels.linalg.gemm import gemm, gemm_behind_relu, gemm_gradient
from fastlm_kernels.runtime.jit import inner_kernel, kernel, shared_kernel

F = np.float32


ONE = np.int64(1)


YES = np.bool_(True)


NO = np.bool_(False)


@shared_kernel
def affine(out, out0, ldo, workspace, x, x0, params, weight, bias, rows, fan_in, fan_out):
    """out[i] = x[i] @ W + b for ``rows`` rows; out [rows, N], its rows ldo apart, and x [rows, K]
    at their offsets."""
    affine_columns(
        out, out0, ldo, workspace, x, x0, params, weight, bias, rows, fan_in, fan_out,
        np.int64(0), fan_out,
    )  # fmt: skip


@inner_kernel
def affine_columns(
    out, out0, ldo, workspace, x, x0, params, weight, bias, rows, fan_in, fan_out, start, columns
):  # fmt: skip
    """The columns ``start`` to start + columns of ``affine``: out [rows, columns]."""
    beta = 0.0
    if bias >= 0:
        beta = 1.0
        b = params[bias + start : bias + start + columns]
        for i in range(rows):
            row = out[out0 + i * ldo : out0 + i * ldo + columns]
            for j in range(columns):  # a slice assignment would add two seconds of compile time
                row[j] = b[j]
    gemm(
        out, out0, ldo, x, x0, fan_in, ONE, params, weight + start, fan_out, NO,
        rows, columns, fan_in, 1.0, beta, workspace,
    )  # fmt: skip


@inner_kernel
def affine_backward(
    d_x, x, x0, workspace, d_out, out0, params, weight, rows, fan_in, fan_out, beta, behind_relu
):  # fmt: skip
    """d_x[i] = d_out[i] @ W^T + beta d_x[i].

    behind_relu : whether the next step back from x, which lies like d_x, is ReLU: then d_x is only
        needed where x is not zero
    """
    backward_columns(
        d_x, x0, x, x0, workspace, d_out, out0, fan_out, params, weight, rows, fan_in, fan_out,
        np.int64(0), fan_out, beta, behind_relu,
    )  # fmt: skip


@inner_kernel
def backward_columns(
    d_x, d0, x, x0, workspace, d_out, out0, ldd, params, weight, rows, fan_in, fan_out, start,
    columns, beta, behind_relu,
):  # fmt: skip
    """What the columns ``start`` to start + columns add to d_x in ``affine_backward``: those of
    d_out lie at out0, rows ldd apart, and d_x at d0."""
    if behind_relu:
        gemm_behind_relu(
            d_x, d0, fan_in, x, x0, d_out, out0, ldd, params, weight + start, fan_out,
            rows, fan_in, columns, beta, workspace,
        )  # fmt: skip
    else:
        gemm(
            d_x, d0, fan_in, d_out, out0, ldd, ONE, params, weight + start, fan_out,
            YES, rows, fan_in, columns, 1.0, beta, workspace,
        )  # fmt: skip


@shared_kernel
def accumulate_gradient(
    target,
    workspace,
    x,
    x0,
    x_row,
    x_column,
    d_out,
    out0,
    ldd,
    weight,
    bias,
    batch,
    fan_in,
    fan_out,
    start,
    stop,
    scale,
    beta,
):
    """target = beta * target + scale * gradient, for the columns start to stop of W and of b.

    target : float32[n], the momentum (beta = its decay: the gradient is never written anywhere) or
        a gradient (beta = 0)
    x : float32[...], x[i, k] at x0 + i * x_row + k * x_column, one of which is 1. Where x_row is 1
        the product runs at up to a third more (512 x 512 x 1024: 0.90 and 0.65 of what registers
        allow)
    d_out : float32[...], its columns start to stop at out0, rows ldd apart
    batch : rows of x and d_out; none is allowed
    The sums run over the whole batch in one fixed order.
    """
    columns = stop - start
    if batch == 0:
        for k in range(fan_in):
            row = weight + k * fan_out
            decay_span(target, row + start, row + stop, F(beta))
    else:
        gemm_gradient(
            target, weight + start, fan_out, x, x0, x_column, x_row, d_out, out0, ldd,
            fan_in, columns, batch, scale, beta, workspace,
        )  # fmt: skip
    if bias >= 0:
        share = F(scale)
        total = target[bias + start : bias + stop]
        decay_span(target, bias + start, bias + stop, F(beta))
        for i in range(batch):
            row = out0 + i * ldd
            d = d_out[row : row + columns]
            for j in range(columns):
                total[j] += share * d[j]


@inner_kernel
def decay_span(target, start, stop, decay):
    """target *= decay; with decay 0 it may have held anything, NaN included."""
    span = target[start:stop]
    for j in range(stop - start):
        span[j] = span[j] * decay if decay != F(0) else F(0)


@shared_kernel
def descend(params, momentum, weight, bias, fan_in, fan_out, start, stop, rate):
    """W -= rate * M for the columns start to stop, and b likewise."""
    step = F(rate)
    for k in range(fan_in):
        row = weight + k * fan_out
        w = params[row + start : row + stop]
        m = momentum[row + start : row + stop]
        for j in range(stop - start):
            w[j] -= step * m[j]
    if bias >= 0:
        w = params[bias + start : bias + stop]
        m = momentum[bias + start : bias + stop]
        for j in range(stop - start):
            w[j] -= step * m[j]


@kernel
def momentum_update(params, momentum, grad, first, last, rate, beta):
    """m = beta m + (1 - beta) g, w -= rate m for the elements first to last: the unfused update."""
    decay = F(beta)
    share = F(1.0 - beta)
    step = F(rate)
    w = params[first:last]
    m = momentum[first:last]
    g = grad[first:last]
    for j in range(w.size):
        m[j] = decay * m[j] + share * g[j]
        w[j] -= step * m[j]
