"""The right answer: the training steps of a work in float64, as plainly as possible, no kernel."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fastlm.bench.works import Work, batches, initial_params
from fastlm.model.layout import Layout

__all__ = ["train_in_float64"]

Array = NDArray[np.float64]

# Rows at a time, so that the logits of a large vocabulary do not fill the memory.
_ROWS = 512


@lru_cache(maxsize=1)
def train_in_float64(work: Work, steps: int) -> tuple[list[float], Array]:
    """(mean loss of each batch before its update in nats, final weights float64[n], read-only)."""
    params = initial_params(work).astype(np.float64)
    momentum = np.zeros_like(params)
    losses = []
    for contexts, targets in zip(*batches(work, steps), strict=True):
        grad = np.zeros_like(params)
        loss = 0.0
        for first in range(0, work.batch, _ROWS):
            rows = slice(first, first + _ROWS)
            loss += _add_gradient(grad, params, work, contexts[rows], targets[rows])
        losses.append(loss / work.batch)
        grad /= work.batch
        momentum = work.momentum * momentum + (1 - work.momentum) * grad
        params -= work.lr * momentum
    params.flags.writeable = False
    return losses, params


def _add_gradient(
    grad: Array, params: Array, work: Work, contexts: NDArray[np.int64], targets: NDArray[np.int64]
) -> float:
    """Add to ``grad`` the gradient of the summed loss of these rows; returns that loss."""
    layout = Layout(work.model)
    p, g = layout.views(params), layout.views(grad)
    embedded = p["embeddings"][contexts]  # [rows, C, E]
    mean = work.combine == "mean"
    x = embedded.mean(axis=1) if mean else embedded.reshape(len(contexts), -1)

    inputs = []
    for name in layout.layer_names:
        inputs.append(x)
        x = x @ p[f"{name}.weight"] + p.get(f"{name}.bias", 0.0)
        if name != "output":
            x = np.maximum(x, 0.0)

    def backward(name: str, layer_input: Array, d: Array) -> Array:
        g[f"{name}.weight"] += layer_input.T @ d
        if work.bias:
            g[f"{name}.bias"] += d.sum(axis=0)
        return np.asarray(d @ p[f"{name}.weight"].T)

    clusters = np.searchsorted(work.cutoffs, targets, side="right")
    head = work.model.cutoffs[0] if work.cutoffs else 0
    loss, d = _softmax(x, np.where(clusters == 0, targets, head + clusters - 1))
    d = backward("output", inputs[-1], d)
    for number, (start, stop, _) in enumerate(work.model.clusters, start=1):
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
        d = np.repeat(d[:, None] / work.context, work.context, axis=1)
    np.add.at(g["embeddings"], contexts, d.reshape(embedded.shape))
    return loss


def _softmax(x: Array, targets: NDArray[np.int64]) -> tuple[float, Array]:
    """(summed cross-entropy in nats, its gradient) for scores x [rows, V], which are used up."""
    x -= x.max(axis=1, keepdims=True)
    at_targets = (np.arange(len(targets)), targets)
    loss = float((np.log(np.exp(x).sum(axis=1)) - x[at_targets]).sum())
    d = np.exp(x)
    d /= d.sum(axis=1, keepdims=True)
    d[at_targets] -= 1.0
    return loss, d
