"""The right answer: the training steps of a work in float64, as plainly as possible, no kernel."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fastlm.bench.works import Work, batches, initial_params
from fastlm.layout import Layout

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

    x -= x.max(axis=1, keepdims=True)
    at_targets = (np.arange(len(targets)), targets)
    loss = float((np.log(np.exp(x).sum(axis=1)) - x[at_targets]).sum())
    d = np.exp(x)
    d /= d.sum(axis=1, keepdims=True)
    d[at_targets] -= 1.0

    for name, layer_input in zip(reversed(layout.layer_names), reversed(inputs), strict=True):
        g[f"{name}.weight"] += layer_input.T @ d
        if work.bias:
            g[f"{name}.bias"] += d.sum(axis=0)
        d = d @ p[f"{name}.weight"].T
        if name != layout.layer_names[0]:
            d *= layer_input > 0
    if mean:
        d = np.repeat(d[:, None] / work.context, work.context, axis=1)
    np.add.at(g["embeddings"], contexts, d.reshape(embedded.shape))
    return loss
