"""The formulas of the figures: from losses to perplexity, bits per character and per byte."""

from __future__ import annotations

import math
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["Figures", "perplexity"]

Number = TypeVar("Number", float, NDArray[np.float64])


class Figures(Generic[Number]):
    """The formulas, for one text (float) or an array of texts (float64[N]).

    A subclass has ``log_prob`` in nats, and the counts ``tokens``, ``chars`` and ``bytes``. A
    figure is NaN where its count is 0.
    """

    __slots__ = ()

    log_prob: Number
    tokens: Any
    chars: Any
    bytes: Any

    @property
    def nats_per_token(self) -> Number:
        """-log_prob / tokens, the cross-entropy."""
        return ratio(-self.log_prob, self.tokens)

    @property
    def perplexity(self) -> Number:
        """exp(nats_per_token); infinite above 1.8e308."""
        return perplexity(self.nats_per_token)

    @property
    def bits_per_char(self) -> Number:
        """-log_prob / ln 2 / chars."""
        return ratio(-self.log_prob / math.log(2), self.chars)

    @property
    def bits_per_byte(self) -> Number:
        """-log_prob / ln 2 / bytes."""
        return ratio(-self.log_prob / math.log(2), self.bytes)


def perplexity(nats: Number) -> Number:
    """Return exp of a cross-entropy in nats per token; infinite above 1.8e308."""
    if isinstance(nats, np.ndarray):
        with np.errstate(over="ignore"):
            return np.exp(nats)
    try:
        return math.exp(nats)
    except OverflowError:
        return math.inf


def ratio(total: Number, count: Any) -> Number:
    """Return total / count, NaN where there is nothing to count."""
    if isinstance(total, np.ndarray):
        result = np.full(total.shape, np.nan)
        np.divide(total, count, out=result, where=count != 0)
        return result
    return total / count if count else math.nan
