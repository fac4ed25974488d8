"""The settings of sampling (temperature, top-k, top-p), and what they mean, in NumPy.

The tokens of a text are drawn by the kernel ``fastlm_kernels.passes.sampling``; tests compare it
with the distribution here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.checks import check_number, check_whole

__all__ = ["Sampling"]


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How to choose a token from the logits z, float[V].

    The settings apply in the order below. Of equal probabilities the lower id comes first. What is
    left is renormalised.

    Parameters
    ----------
    temperature : float
        T; p is proportional to exp(z / T). Below 1 sharpens, above 1 flattens; 0 is greedy.
    top_k : int, optional
        Keep the k most probable tokens; None or more than V: all.
    top_p : float, optional
        Then keep the fewest of those left, most probable first, whose share of what is left
        reaches p ("nucleus sampling", Holtzman et al. 2020, section 3.1); None or 1: all.
    greedy : bool
        Take the most probable token; the rest has no effect.

    Raises
    ------
    ConfigError
        For a value out of range.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    greedy: bool = False

    def __post_init__(self) -> None:
        temperature = check_number(
            "temperature", self.temperature, least=0, advice=" (0 means greedy)"
        )
        all_tokens = ", or leave it out to keep all tokens"
        top_k = check_whole("top_k", self.top_k, 1, or_none=True, advice=all_tokens)
        top_p = check_number("top_p", self.top_p, above=0, most=1, or_none=True, advice=all_tokens)
        for name, value in (("temperature", temperature), ("top_k", top_k), ("top_p", top_p)):
            object.__setattr__(self, name, value)

    @property
    def is_greedy(self) -> bool:
        """Whether the most probable token is always taken."""
        return self.greedy or self.temperature == 0

    def probabilities(self, logits: NDArray[Any]) -> NDArray[np.float64]:
        """Return the distribution that a token is drawn from.

        Parameters
        ----------
        logits : float[V]
            -inf for excluded tokens.

        Returns
        -------
        float64[V]
            Sums to 1.
        """
        if self.is_greedy:
            probabilities = np.zeros(logits.size)
            probabilities[np.argmax(logits)] = 1.0
            return probabilities
        weights = self._weights(logits)
        shares: NDArray[np.float64] = weights / weights.sum()
        return shares

    def _weights(self, logits: NDArray[Any]) -> NDArray[np.float64]:
        """Return unnormalised probabilities float64[V], zero where cut off."""
        z = logits.astype(np.float64)
        if self.top_k is not None and self.top_k < z.size:
            _keep_largest(z, self.top_k)
        # By the logits: after the division, ones that differ by little may be equal.
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
    """Set all but the k largest to -inf in place; of equals, the lower ids stay."""
    smallest = np.partition(z, z.size - k)[z.size - k]
    equals = np.flatnonzero(z == smallest)
    room = k - int(np.count_nonzero(z > smallest))
    z[z < smallest] = -np.inf
    z[equals[room:]] = -np.inf
