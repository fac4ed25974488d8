"""The weights that training starts from."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.config import ModelConfig
from fastlm.layout import Layout, Tensor

__all__ = ["log_unigram", "scaled_params"]


def scaled_params(
    config: ModelConfig, seed: int, counts: NDArray[Any] | None = None
) -> NDArray[np.float32]:
    """float32[n]: embeddings N(0, 0.1), hidden layers He (He et al. 2015, N(0, sqrt(2 / fan_in))),
    output N(0, 1 / sqrt(fan_in)), biases 0 but the output's at the log unigram.

    counts : int[V], how often each token occurs in the training text; without them the output bias
        is 0. Starting at the unigram distribution spares the first epochs from learning it.
    """

    layout = Layout(config)
    params = np.zeros(layout.size, dtype=np.float32)
    rng = np.random.default_rng(seed)
    for tensor in layout.tensors.values():
        if not tensor.name.endswith(".bias"):
            values = rng.standard_normal(tensor.size, dtype=np.float32)
            spread = _spread(tensor)
            params[tensor.offset : tensor.offset + tensor.size] = values * np.float32(spread)
    bias = layout.tensors.get("output.bias")
    if bias is not None and counts is not None:
        params[bias.offset : bias.offset + bias.size] = log_unigram(counts)
    return params


def _spread(tensor: Tensor) -> float:
    """Standard deviation of a matrix's first weights."""
    if tensor.name == "embeddings":
        return 0.1
    fan_in = tensor.shape[0]
    return 1 / math.sqrt(fan_in) if tensor.name == "output.weight" else math.sqrt(2 / fan_in)


def log_unigram(counts: NDArray[Any]) -> NDArray[np.float32]:
    """float32[V]: log((count + 1/2) / total), so that tokens never seen are rare but possible."""
    smoothed = np.asarray(counts, dtype=np.float64) + 0.5
    return np.asarray(np.log(smoothed / smoothed.sum()), dtype=np.float32)
