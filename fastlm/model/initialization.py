"""Initial parameters: scaled random weights, and biases from token frequencies."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.config import ModelConfig
from fastlm.model.layout import Layout

__all__ = ["as_if_trained", "log_unigram", "scaled_params"]


def scaled_params(
    config: ModelConfig, seed: int, counts: NDArray[Any] | None = None
) -> NDArray[np.float32]:
    """Return scaled random parameters, float32[n].

    - Embeddings: N(0, 0.1).
    - Hidden layers: N(0, sqrt(2 / fan_in)) (He et al. 2015).
    - Output: N(0, 1 / sqrt(fan_in)), with biases at the log unigram.
    - Other biases: 0.
    - Pools of F far tokens: the weights 1 / sqrt(F).

    Parameters
    ----------
    config : ModelConfig
    seed : int
    counts : int[V], optional
        How often each token occurs in the training text; without them the output biases are 0.
        A model that starts at the unigram distribution need not learn it in the first epochs.
    """
    layout = Layout(config)
    params = np.zeros(layout.size, dtype=np.float32)
    rng = np.random.default_rng(seed)
    tensors = layout.views(params)
    for name, tensor in tensors.items():
        if name.startswith("far."):
            tensor[:] = 1 / math.sqrt(tensor.shape[0])
        elif not name.endswith(".bias"):
            values = rng.standard_normal(tensor.size, dtype=np.float32).reshape(tensor.shape)
            tensor[:] = values * np.float32(_spread(name, tensor.shape[0]))
    if config.bias and counts is not None:
        _set_output_biases(tensors, config, counts)
    return params


def _spread(name: str, fan_in: int) -> float:
    """Return the standard deviation of a matrix's first weights."""
    if name == "embeddings":
        return 0.1
    return math.sqrt((2 if name.startswith("hidden.") else 1) / fan_in)


def _set_output_biases(
    tensors: dict[str, NDArray[np.float32]], config: ModelConfig, counts: NDArray[Any]
) -> None:
    unigram = log_unigram(counts)
    head = config.cutoffs[0] if config.cutoffs else config.vocab
    bias = tensors["output.bias"]
    bias[:head] = unigram[:head]
    for number, (start, stop, _) in enumerate(config.clusters, start=1):
        tensors[f"tail.{number}.bias"][:] = unigram[start:stop]
        share = np.exp(unigram[start:stop].astype(np.float64)).sum()
        bias[head + number - 1] = math.log(share)


def as_if_trained(model: ModelConfig) -> NDArray[np.float32]:
    """Return parameters whose hidden units are mostly zero, as after some training, float32[n].

    Each unit's bias is minus the standard deviation of its input, so that one in six is above zero;
    with ``scaled_params`` half are.
    """
    params = scaled_params(model, 0)
    tensors = Layout(model).views(params)
    spread = float(np.std(tensors["embeddings"]))
    for number in range(1, len(model.hidden) + 1):
        spread *= math.sqrt(2)  # by its weights
        if model.bias:
            tensors[f"hidden.{number}.bias"][:] = -spread
        spread *= 0.27  # of max(0, N(-1, 1)), in the root mean square
    return params


def log_unigram(counts: NDArray[Any]) -> NDArray[np.float32]:
    """Return log((count + 1/2) / total), float32[V], so that unseen tokens are rare but possible.

    counts : int[V], how often each token occurs
    """
    smoothed = np.asarray(counts, dtype=np.float64) + 0.5
    return np.asarray(np.log(smoothed / smoothed.sum()), dtype=np.float32)
