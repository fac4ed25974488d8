"""The weights that training starts from."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.config import ModelConfig
from fastlm.layout import Layout

__all__ = ["log_unigram", "reference_params", "scaled_params"]


def scaled_params(
    config: ModelConfig, seed: int, counts: NDArray[Any] | None = None
) -> NDArray[np.float32]:
    """float32[n]: embeddings N(0, 0.1), hidden layers He (He et al. 2015, N(0, sqrt(2 / fan_in))),
    output N(0, 1 / sqrt(fan_in)), biases 0 but the output's at the log unigram.

    counts : int[V], how often each token occurs in the training text; without them the output bias
        is 0. Starting at the unigram distribution spares the first epochs from learning it.
    """

    def spread(name: str, shape: tuple[int, ...]) -> float:
        if name == "embeddings":
            return 0.1
        return 1 / math.sqrt(shape[0]) if name == "output.weight" else math.sqrt(2 / shape[0])

    params = _normal(config, seed, spread)
    bias = Layout(config).tensors.get("output.bias")
    if bias is not None and counts is not None:
        params[bias.offset : bias.offset + bias.size] = log_unigram(counts)
    return params


def reference_params(config: ModelConfig, seed: int) -> NDArray[np.float32]:
    """float32[n]: every matrix N(0, sqrt(2 / (fan_in + fan_out))) (Glorot and Bengio 2010) and every
    bias 0, as in ``fastlm.reference.mini``."""
    return _normal(config, seed, lambda _, shape: math.sqrt(2 / sum(shape)))


def _normal(config: ModelConfig, seed: int, spread: Any) -> NDArray[np.float32]:
    layout = Layout(config)
    params = np.zeros(layout.size, dtype=np.float32)
    rng = np.random.default_rng(seed)
    for tensor in layout.tensors.values():
        if not tensor.name.endswith(".bias"):
            values = rng.standard_normal(tensor.size, dtype=np.float32)
            params[tensor.offset : tensor.offset + tensor.size] = values * np.float32(
                spread(tensor.name, tensor.shape)
            )
    return params


def log_unigram(counts: NDArray[Any]) -> NDArray[np.float32]:
    """float32[V]: log((count + 1/2) / total), so that tokens never seen are rare but possible."""
    smoothed = np.asarray(counts, dtype=np.float64) + 0.5
    return np.asarray(np.log(smoothed / smoothed.sum()), dtype=np.float32)
