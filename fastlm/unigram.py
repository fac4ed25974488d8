"""What the frequencies of tokens alone predict, which a model has to beat."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["log_unigram", "unigram_loss"]


def log_unigram(counts: NDArray[Any]) -> NDArray[np.float32]:
    """float32[V]: log((count + 1/2) / total), so that tokens never seen are rare but possible."""
    smoothed = np.asarray(counts, dtype=np.float64) + 0.5
    return np.asarray(np.log(smoothed / smoothed.sum()), dtype=np.float32)


def unigram_loss(counts: NDArray[Any], measured: NDArray[Any]) -> float:
    """Mean loss in nats of predicting by frequency alone.

    counts : int[V], how often each token occurs in the training text
    measured : int[V], how often in the text to predict, at least one token
    """
    measured = np.asarray(measured, dtype=np.float64)
    return float(-(measured @ log_unigram(counts)) / measured.sum())
