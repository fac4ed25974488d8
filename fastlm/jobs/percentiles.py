"""Percentiles of figures that come one by one: how many of those before are smaller."""

from __future__ import annotations

import math

__all__ = ["RunningPercentile"]

# Bins in a factor of e, as wide as a thousandth of their value, and factors of e that are told
# apart; figures below 1 are in the first bin, those beyond the last bin in the last.
_BINS_PER_FACTOR = 1024
_FACTORS = 64
_BINS = _BINS_PER_FACTOR * _FACTORS


class RunningPercentile:
    """Counts figures of 1 and more, such as perplexities, in bounded memory.

    The counts are a Fenwick tree (Fenwick 1994) over bins of equal width on a logarithmic scale:
    adding a figure and asking for a percentile take 16 steps each.

    Attributes
    ----------
    count : int
        Figures that were added; NaN is none.
    """

    def __init__(self) -> None:
        self.count = 0
        self._sums = [0] * (_BINS + 1)

    def add(self, value: float) -> None:
        """Count a figure."""
        if math.isnan(value):
            return
        self.count += 1
        at = _bin(value) + 1
        while at <= _BINS:
            self._sums[at] += 1
            at += at & -at

    def of(self, value: float) -> float:
        """Return the percentage of what was added that is smaller; equal ones count half.

        NaN for NaN, and where nothing was added.
        """
        if math.isnan(value) or not self.count:
            return math.nan
        at = _bin(value)
        below, here = self._below(at), self._below(at + 1)
        return 50 * (below + here) / self.count

    def _below(self, bins: int) -> int:
        total = 0
        while bins:
            total += self._sums[bins]
            bins -= bins & -bins
        return total


def _bin(value: float) -> int:
    if value <= 1:
        return 0
    if math.isinf(value):
        return _BINS - 1
    return min(int(math.log(value) * _BINS_PER_FACTOR), _BINS - 1)
