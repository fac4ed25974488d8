"""The float64 oracle: training steps of a workload in plain NumPy, without any kernel."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fastlm.bench.workloads import Workload, batches, initial_params
from fastlm.model.layout import Layout

__all__ = ["train_in_float64"]

Array = NDArray[np.float64]

# Examples at a time: their logits in float64 take 120 MB at V = 30,000.
_ROWS = 512


@lru_cache(maxsize=1)
def train_in_float64(workload: Workload, steps: int) -> tuple[list[float], Array]:
    """Train for some steps in float64.

    Returns the mean loss of each batch before its update, nats, and the weights after the last
    step, float64[n], read-only.
    """
    params = initial_params(workload).astype(np.float64)
    momentum = np.zeros_like(params)
    losses = []
    for contexts, targets in zip(*batches(workload, steps), strict=True):
        grad = np.zeros_like(params)
        loss = 0.0
        for first in range(0, workload.batch, _ROWS):
            rows = slice(first, first + _ROWS)
            loss += _add_gradient(grad, params, workload, contexts[rows], targets[rows])
        losses.append(loss / workload.batch)
        grad /= workload.batch
        momentum = workload.momentum * momentum + (1 - workload.momentum) * grad
        params -= workload.lr * momentum
    params.flags.writeable = False
    return losses, params


def _add_gradient(
    grad: Array,
    params: Array,
    workload: Workload,
    contexts: NDArray[np.int64],
    targets: NDArray[np.int64],
) -> float:
    """Add to ``grad`` the gradient of the summed loss of these rows; return that loss."""
    layout = Layout(workload.model)
    p, g = layout.views(params), layout.views(grad)
    embedded = p["embeddings"][contexts]  # [rows, C, E]
    mean = workload.combine == "mean"
    x = embedded.mean(axis=1) if mean else embedded.reshape(len(contexts), -1)

    inputs = []
    for name in layout.layer_names:
        inputs.append(x)
        x = x @ p[f"{name}.weight"] + p.get(f"{name}.bias", 0.0)
        if name != "output":
            x = np.maximum(x, 0.0)

    def backward(name: str, layer_input: Array, d: Array) -> Array:
        g[f"{name}.weight"] += layer_input.T @ d
        if workload.bias:
            g[f"{name}.bias"] += d.sum(axis=0)
        return np.asarray(d @ p[f"{name}.weight"].T)

    clusters = np.searchsorted(workload.cutoffs, targets, side="right")
    head = workload.model.cutoffs[0] if workload.cutoffs else 0
    loss, d = _softmax(x, np.where(clusters == 0, targets, head + clusters - 1))
    d = backward("output", inputs[-1], d)
    for number, (start, stop, _) in enumerate(workload.model.clusters, start=1):
        inside = (start <= targets) & (targets < stop)
        h = inputs[-1][inside]
        projection = p[f"tail.{number}.projection"]
        x = h @ projection
        scores = x @ p[f"tail.{number}.weight"] + p.get(f"tail.{number}.bias", 0.0)
        tail_loss, d_scores = _softmax(scores, targets[inside] - start)
        loss += tail_loss
        d_x = backward(f"tail.{number}", x, d_scores)
        g[f"tail.{number}.projection"] += h.T @ d_x
        d[inside] += d_x @ projection.T
    for name, layer_input, output in zip(
        reversed(layout.layer_names[:-1]), reversed(inputs[:-1]), reversed(inputs[1:]), strict=True
    ):
        d = backward(name, layer_input, d * (output > 0))
    if mean:
        d = np.repeat(d[:, None] / workload.context, workload.context, axis=1)
    np.add.at(g["embeddings"], contexts, d.reshape(embedded.shape))
    return loss


def _softmax(x: Array, targets: NDArray[np.int64]) -> tuple[float, Array]:
    """Return summed cross-entropy, nats, and its gradient, of scores x [rows, V]; overwrite x."""
    x -= x.max(axis=1, keepdims=True)
    at_targets = (np.arange(len(targets)), targets)
    loss = float((np.log(np.exp(x).sum(axis=1)) - x[at_targets]).sum())
    d = np.exp(x)
    d /= d.sum(axis=1, keepdims=True)
    d[at_targets] -= 1.0
    return loss, d
