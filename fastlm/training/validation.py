"""Validation: its losses, and what token frequencies alone would reach."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.model.initialization import log_unigram

__all__ = ["unigram_loss"]


def unigram_loss(counts: NDArray[Any], measured: NDArray[Any]) -> float:
    """Mean loss in nats of predicting by frequency alone.

    counts : int[V], how often each token occurs in the training text
    measured : int[V], how often in the text to predict, at least one token
    """
    measured = np.asarray(measured, dtype=np.float64)
    return float(-(measured @ log_unigram(counts)) / measured.sum())
