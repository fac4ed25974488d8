"""The weights that training starts from."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.config import ModelConfig
from fastlm.layout import Layout
from fastlm.unigram import log_unigram

__all__ = ["scaled_params"]


def scaled_params(
    config: ModelConfig, seed: int, counts: NDArray[Any] | None = None
) -> NDArray[np.float32]:
    """float32[n]: embeddings N(0, 0.1), hidden layers He (He et al. 2015, N(0, sqrt(2 / fan_in))),
    output N(0, 1 / sqrt(fan_in)), its biases at the log unigram and the others 0, pools of F tokens
    at weights 1 / sqrt(F).

    counts : int[V], how often each token occurs in the training text; without them the output bias
        is 0. Starting at the unigram distribution spares the first epochs from learning it.
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
    """Standard deviation of a matrix's first weights."""
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
