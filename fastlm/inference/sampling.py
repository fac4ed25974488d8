"""How the next token is chosen: settings that check themselves, and what they mean in NumPy.

Texts are written by ``fastlm_kernels.passes.sampling``, which chooses alike; tests compare the two.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.errors import ConfigError

__all__ = ["Sampling"]


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How to choose a token from the logits z, float[V].

    temperature : T; p is proportional to exp(z / T). Below 1 sharpens, above 1 flattens; 0 is
        greedy.
    top_k : keep the k most probable tokens; None or more than V: all
    top_p : then keep the fewest of those left, most probable first, whose share of what is left
        reaches p ("nucleus sampling", Holtzman et al. 2020, section 3.1); None or 1: all
    greedy : take the most probable token; the rest has no effect

    In this order. Where probabilities are equal the lower id comes first. What is left is
    renormalised.

    Raises ConfigError for a value out of range.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    greedy: bool = False

    def __post_init__(self) -> None:
        temperature = self.temperature
        if not _is_number(temperature) or not 0 <= temperature <= sys.float_info.max:
            raise ConfigError(
                f"temperature is {temperature!r}; give a number of at least 0 (0 means greedy)"
            )
        if self.top_k is not None and (not _is_whole(self.top_k) or self.top_k < 1):
            raise ConfigError(
                f"top_k is {self.top_k!r}; give a whole number of at least 1, or leave it out to "
                "keep all tokens"
            )
        if self.top_p is not None and (not _is_number(self.top_p) or not 0 < self.top_p <= 1):
            raise ConfigError(
                f"top_p is {self.top_p!r}; give a number above 0 and at most 1, or leave it out to "
                "keep all tokens"
            )

    @property
    def is_greedy(self) -> bool:
        return self.greedy or self.temperature == 0

    def probabilities(self, logits: NDArray[Any]) -> NDArray[np.float64]:
        """The distribution that a token is drawn from: float64[V], sum 1.

        logits : float[V], -inf for what is excluded
        """
        if self.is_greedy:
            probabilities = np.zeros(logits.size)
            probabilities[np.argmax(logits)] = 1.0
            return probabilities
        weights = self._weights(logits)
        shares: NDArray[np.float64] = weights / weights.sum()
        return shares

    def _weights(self, logits: NDArray[Any]) -> NDArray[np.float64]:
        """Unnormalised probabilities float64[V], zero where cut off."""
        z = logits.astype(np.float64)
        if self.top_k is not None and self.top_k < z.size:
            _keep_largest(z, self.top_k)
        # The order of the logits themselves: where they differ by little, what follows may not.
        order = np.argsort(-z, kind="stable")
        with np.errstate(over="ignore"):  # to -inf, at temperatures near zero
            z = (z - z.max()) / self.temperature
        weights: NDArray[np.float64] = np.exp(z)
        if self.top_p is not None and self.top_p < 1:
            cumulative = np.cumsum(weights[order])
            kept = int(np.searchsorted(cumulative, self.top_p * cumulative[-1])) + 1
            weights[order[kept:]] = 0.0
        return weights


def _keep_largest(z: NDArray[np.float64], k: int) -> None:
    """Set all but the k largest to -inf, in place; of equals, the lower ids stay."""
    smallest = np.partition(z, z.size - k)[z.size - k]
    equals = np.flatnonzero(z == smallest)
    room = k - int(np.count_nonzero(z > smallest))
    z[z < smallest] = -np.inf
    z[equals[room:]] = -np.inf


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
