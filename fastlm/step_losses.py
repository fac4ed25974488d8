"""What is the mean of the losses of steps, however they are cut into chunks?"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["added", "mean"]


def added(so_far: tuple[float, int], losses: NDArray[np.float64]) -> tuple[float, int]:
    """(sum, number) with ``losses`` added one after the other, so that it does not matter how they
    are cut into chunks."""
    total, count = so_far
    return float(np.cumsum(np.concatenate(([total], losses)))[-1]), count + losses.size


def mean(so_far: tuple[float, int]) -> float:
    """Of (sum, number); NaN of none."""
    total, count = so_far
    return total / count if count else math.nan
