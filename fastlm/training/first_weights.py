"""The weights that a run starts from, unless it is given any."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.config import Config
from fastlm.engine.tokens import token_counts
from fastlm.model.initialization import scaled_params
from fastlm.model.reference_weights import reference_params

__all__ = ["initial_params"]


def initial_params(
    config: Config, train_tokens: Any, counts: NDArray[np.int64] | None
) -> NDArray[np.float32]:
    """Return the first weights, float32[n], by the seed and how often tokens occur.

    train_tokens : int[T]
    counts : int64[V], how often each token occurs in them; None: they are counted
    """
    model, training = config.model, config.training
    if training.init != "scaled":
        return reference_params(model, training.init, training.seed)
    if counts is None:
        counts = token_counts(train_tokens, model.vocab)
    return scaled_params(model, training.seed, counts)
