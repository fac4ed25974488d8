"""Quantiles of any number of figures, in bounded memory, to a thousandth of their value."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["Histogram"]

# Bins in a factor of e: a bin is a thousandth of its value wide.
_BINS = 1024

# Bins of 0 and of what is infinite; no float's logarithm reaches them.
_ZERO, _INFINITE = -(1 << 20), 1 << 20


class Histogram:
    """Counts of numbers that are not negative, in bins of equal width on a logarithmic scale.

    Neither the order nor the cutting of what is added changes it.

    Attributes
    ----------
    count : int
        Numbers that were added; NaN is none.
    """

    def __init__(self) -> None:
        self.count = 0
        self._bins: dict[int, int] = {}

    def add(self, values: Sequence[float]) -> None:
        """Count numbers; NaN is left out."""
        array = np.asarray(values, dtype=np.float64)
        array = array[~np.isnan(array)]
        with np.errstate(divide="ignore"):
            logs = np.clip(np.log(array) * _BINS, _ZERO, _INFINITE)
        bins, counts = np.unique(np.floor(logs).astype(np.int64), return_counts=True)
        for bin, count in zip(bins.tolist(), counts.tolist(), strict=True):
            self._bins[bin] = self._bins.get(bin, 0) + count
        self.count += array.size

    def quantiles(self, fractions: Sequence[float]) -> list[float]:
        """Return the numbers below which these fractions of all lie; NaN where there are none.

        Within a bin they are taken as spread evenly. No number is above the quantile of 1.
        """
        if not self.count:
            return [math.nan for _ in fractions]
        bins = np.array(sorted(self._bins), dtype=np.int64)
        counts = np.array([self._bins[bin] for bin in bins.tolist()], dtype=np.int64)
        ends = np.cumsum(counts)
        found = []
        for fraction in fractions:
            rank = fraction * self.count
            at = min(int(np.searchsorted(ends, rank)), bins.size - 1)
            inside = (rank - (ends[at] - counts[at])) / counts[at]
            found.append(_value(int(bins[at]), float(inside)))
        return found

    def to_dict(self) -> dict[str, list[int]]:
        """Return the bins and their counts as JSON has them."""
        bins = sorted(self._bins)
        return {"bins": bins, "counts": [self._bins[bin] for bin in bins]}

    @classmethod
    def from_dict(cls, form: Mapping[str, Any]) -> Histogram:
        """Return what ``to_dict`` came from."""
        histogram = cls()
        histogram._bins = dict(zip(form["bins"], form["counts"], strict=True))
        histogram.count = sum(form["counts"])
        return histogram


def _value(bin: int, inside: float) -> float:
    if bin in (_ZERO, _INFINITE):
        return 0.0 if bin == _ZERO else math.inf
    # Rounding must not leave the largest number above the end of its bin.
    return math.exp((bin + inside) / _BINS) * (1 + 1e-12)
