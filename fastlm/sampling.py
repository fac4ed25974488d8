"""Which token comes next: the model's logits for a growing text, and a choice among them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.config import ModelConfig
from fastlm.engine import network_of
from fastlm.errors import ConfigError, TrainingError
from fastlm.layout import Layout
from fastlm_kernels import evaluation
from fastlm_kernels.gemm import new_workspace

__all__ = ["Predictor", "Sampling", "generate_ids", "random_generator"]


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
        if not _is_number(temperature) or not 0 <= temperature < math.inf:
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

    def choose(self, logits: NDArray[Any], rng: np.random.Generator) -> int:
        """The chosen id. ``logits``: float[V], -inf for what is excluded; one number is drawn."""
        if self.is_greedy:
            return int(np.argmax(logits))
        cumulative = np.cumsum(self._weights(logits))
        # A weight of zero adds nothing, so that side="right" steps over it.
        return int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right"))

    def probabilities(self, logits: NDArray[Any]) -> NDArray[np.float64]:
        """What ``choose`` draws from: float64[V], sum 1."""
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
        z -= z.max()
        if self.top_k is not None and self.top_k < z.size:
            _keep_largest(z, self.top_k)
        with np.errstate(over="ignore"):  # to -inf, at temperatures near zero
            z /= self.temperature
        weights: NDArray[np.float64] = np.exp(z)
        if self.top_p is not None and self.top_p < 1:
            order = np.argsort(-weights, kind="stable")
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


def random_generator(seed: int | None, number: int = 0) -> np.random.Generator:
    """The random numbers of text ``number`` of a seed; without a seed, new ones every time.

    Raises ConfigError for a seed that is not a whole number of at least 0.
    """
    if seed is None:
        return np.random.default_rng()
    if not _is_whole(seed) or seed < 0:
        raise ConfigError(
            f"seed is {seed!r}; give a whole number of at least 0, or leave it out for new text "
            "every time"
        )
    return np.random.default_rng([seed, number])


class Predictor:
    """The logits for the next token of one growing text. Its memory is allocated once.

    params : float32[n]

    Not for several threads at once: make one for each.
    """

    def __init__(self, params: NDArray[np.float32], config: ModelConfig) -> None:
        self._params = params
        self._network = network_of(config)
        self._boundary = config.boundary
        self._logits = np.empty(config.vocab, dtype=np.float32)
        self._inputs = np.empty(Layout(config).widths, dtype=np.float32)
        self._workspace = new_workspace()
        self._context = np.empty(config.span, dtype=np.int32)
        self.start(())

    def start(self, ids: Iterable[int] = ()) -> None:
        """A new text that begins with ``ids``. What lies before it reads as boundary tokens, or as
        id 0 where the model has none."""
        self._context[:] = self._boundary or 0
        for id in list(ids)[-self._context.size :]:
            self.push(id)

    def push(self, id: int) -> None:
        """Append a token. Nothing before a boundary token is seen any more."""
        if id == self._boundary:
            self._context[:] = id
        else:
            self._context[:-1] = self._context[1:]
            self._context[-1] = id

    def logits(self) -> NDArray[np.float32]:
        """float32[V]; the next call overwrites it.

        Raises TrainingError when they are not finite.
        """
        evaluation.context_logits(
            self._logits,
            self._inputs,
            self._workspace,
            self._context,
            self._params,
            self._network,
            1,
        )
        if not np.isfinite(self._logits).all():
            raise TrainingError(
                "the model's logits are not finite: its weights are out of range; train it again "
                "with a smaller learning rate"
            )
        return self._logits


def generate_ids(
    predictor: Predictor,
    sampling: Sampling,
    rng: np.random.Generator,
    *,
    length: int,
    excluded: Iterable[int] = (),
    end: int | None = None,
) -> Iterator[int]:
    """Yield at most ``length`` new token ids, and feed them to the predictor.

    excluded : ids whose probability is zero; the others' are renormalised
    end : the id that ends the text; it is not yielded
    """
    out = list(excluded)
    for _ in range(length):
        logits = predictor.logits()
        logits[out] = -np.inf
        id = sampling.choose(logits, rng)
        if id == end:
            return
        predictor.push(id)
        yield id


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
