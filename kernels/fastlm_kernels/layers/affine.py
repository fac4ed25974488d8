"""Affine layers on rows of a batch, their gradients and their momentum update.

    out = x @ W + b        d_x = d_out @ W^T        dW = x^T @ d_out        db = sum of d_out

x : float32[B, K], W : float32[K, N], b : float32[N], out : float32[B, N]
"""

from __future__ import annotations

import numpy as np

from fastlm_kernels.linalg.gemm import gemm, gemm_gradient, gemm_masked
from fastlm_kernels.runtime.jit import inner_kernel, kernel, shared_kernel

F = np.float32
ONE = np.int64(1)
YES = np.bool_(True)
NO = np.bool_(False)


@shared_kernel
def affine(out, out0, ldo, workspace, x, x0, params, weight, bias, rows, fan_in, fan_out):
    """Compute out = x @ W + b for ``rows`` rows.

    out : float32[rows, N] at out0, rows ldo apart, written
    x : float32[rows, K] at x0
    params : float32[n], W [K, N] at ``weight``, b [N] at ``bias`` (-1: none)
    """
    affine_columns(
        out, out0, ldo, workspace, x, x0, params, weight, bias, rows, fan_in, fan_out,
        np.int64(0), fan_out,
    )  # fmt: skip


@inner_kernel
def affine_columns(
    out, out0, ldo, workspace, x, x0, params, weight, bias, rows, fan_in, fan_out, start, columns
):  # fmt: skip
    """Compute the columns ``start`` to start + columns of ``affine``: out [rows, columns]."""
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
    d_x, x, x0, workspace, d_out, out0, params, weight, rows, fan_in, fan_out, beta, after_relu
):  # fmt: skip
    """Compute d_x = d_out @ W^T + beta d_x.

    d_x, x : float32[rows, K], both at x0; d_x changed
    d_out : float32[rows, N] at out0
    after_relu : whether x is the output of ReLU: then d_x is needed only where x is not zero
    """
    affine_backward_columns(
        d_x, x0, x, x0, workspace, d_out, out0, fan_out, params, weight, rows, fan_in, fan_out,
        np.int64(0), fan_out, beta, after_relu,
    )  # fmt: skip


@inner_kernel
def affine_backward_columns(
    d_x, d0, x, x0, workspace, d_out, out0, ldd, params, weight, rows, fan_in, fan_out, start,
    columns, beta, after_relu,
):  # fmt: skip
    """Compute what the columns ``start`` to start + columns add to d_x in ``affine_backward``.

    d_out : float32[rows, columns] at out0, rows ldd apart
    d_x : at d0
    """
    if after_relu:
        gemm_masked(
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
    target, workspace, x, x0, x_row, x_column, d_out, out0, ldd, weight, bias, batch, fan_in,
    fan_out, start, stop, scale, beta,
):  # fmt: skip
    """Compute target = beta * target + scale * gradient, for columns start to stop of W and b.

    The sums run over the whole batch in one fixed order.

    target : float32[n], the momentum (beta = its decay: no gradient is ever written) or a gradient
        (beta = 0); changed
    x : float32[...], x[i, k] at x0 + i * x_row + k * x_column, one of the strides is 1. With
        x_row = 1 the product is up to a third faster (512 x 512 x 1024)
    d_out : float32[...], its columns start to stop at out0, rows ldd apart
    batch : rows of x and d_out, may be 0
    """
    columns = stop - start
    if batch == 0:
        for k in range(fan_in):
            row = weight + k * fan_out
            scale_range(target, row + start, row + stop, F(beta))
    else:
        gemm_gradient(
            target, weight + start, fan_out, x, x0, x_column, x_row, d_out, out0, ldd,
            fan_in, columns, batch, scale, beta, workspace,
        )  # fmt: skip
    if bias >= 0:
        share = F(scale)
        total = target[bias + start : bias + stop]
        scale_range(target, bias + start, bias + stop, F(beta))
        for i in range(batch):
            row = out0 + i * ldd
            d = d_out[row : row + columns]
            for j in range(columns):
                total[j] += share * d[j]


@inner_kernel
def scale_range(target, start, stop, decay):
    """Apply target *= decay for the elements start to stop; decay 0 clears NaN too."""
    part = target[start:stop]
    for j in range(stop - start):
        part[j] = part[j] * decay if decay != F(0) else F(0)


@shared_kernel
def apply_momentum(params, momentum, weight, bias, fan_in, fan_out, start, stop, rate):
    """Apply W -= rate * M for the columns start to stop, and b likewise.

    params, momentum : float32[n]; params changed
    """
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
    """Apply the unfused momentum update to the elements first to last.

    m = beta m + (1 - beta) g,  w -= rate m

    params, momentum, grad : float32[n]; the first two changed
    """
    decay = F(beta)
    share = F(1.0 - beta)
    step = F(rate)
    w = params[first:last]
    m = momentum[first:last]
    g = grad[first:last]
    for j in range(w.size):
        m[j] = decay * m[j] + share * g[j]
        w[j] -= step * m[j]
