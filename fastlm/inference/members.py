"""The members of a language model: each gives every token a probability in its context."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastlm.config import ModelConfig
from fastlm.counts.backoff_model import BackoffModel
from fastlm.counts.tables import count_tables, packed
from fastlm.engine.count_queries import (
    bucket_count,
    context_bucket,
    context_distribution,
    context_state,
    count_losses,
)
from fastlm.engine.generation import context_logits, finite_logits, start_context
from fastlm.engine.losses import position_losses
from fastlm.engine.network import first_target
from fastlm_kernels.counts.queries import CountTables
from fastlm_kernels.runtime.arguments import Tokens

__all__ = ["CountMember", "Member", "NetworkMember"]


@dataclass(frozen=True, eq=False)
class NetworkMember:
    """A network.

    Attributes
    ----------
    config : ModelConfig
    params : float32[n]
    """

    config: ModelConfig
    params: NDArray[np.float32]

    @property
    def span(self) -> int:
        """Tokens before the target that it sees."""
        return self.config.span

    @property
    def first_target(self) -> int:
        """The first position of a text that it can predict."""
        return first_target(self.config)

    def losses(
        self, tokens: Tokens, first: int, stop: int, threads: int = 1
    ) -> NDArray[np.float64]:
        """Return -ln p of the tokens at first <= t < stop, float64[stop - first]."""
        return position_losses(self.params, self.config, tokens, first, stop, threads)

    def logits(self, ids: list[int]) -> NDArray[np.float32]:
        """Return the logits float32[V] of the token after ``ids``, which begin a document."""
        context = start_context(self.config, ids)
        return finite_logits(context_logits(self.params, self.config, context[None])[0])

    def distribution(self, ids: list[int]) -> NDArray[np.float64]:
        """Return the probabilities float64[V] of the token after ``ids``."""
        logits = self.logits(ids).astype(np.float64)
        weights = np.exp(logits - logits.max())
        distribution: NDArray[np.float64] = weights / weights.sum()
        return distribution


class CountMember:
    """A back-off model of n-grams.

    Attributes
    ----------
    model : BackoffModel
        Its arrays are those of ``tables``.
    """

    first_target = 0

    def __init__(self, model: BackoffModel) -> None:
        self.model = packed(model)

    @cached_property
    def tables(self) -> CountTables:
        """The arrays as the kernels take them."""
        return count_tables(self.model)

    @property
    def span(self) -> int:
        """Tokens before the target that decide its probability."""
        return self.model.order - 1

    def losses(
        self, tokens: Tokens, first: int, stop: int, threads: int = 1
    ) -> NDArray[np.float64]:
        """Return -ln p of the tokens at first <= t < stop, float64[stop - first]."""
        return self.losses_and_buckets(tokens, first, stop, threads)[0]

    def losses_and_buckets(
        self, tokens: Tokens, first: int, stop: int, threads: int = 1
    ) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
        """Return the losses, and the class of the context at each position, uint8[...]."""
        return count_losses(self.tables, tokens, first, stop, threads)

    def state(self, ids: list[int]) -> NDArray[np.int64]:
        """Return the state int64[2] of a walk after ``ids``, which begin a document."""
        return context_state(self.tables, np.array(ids, dtype=np.int32))

    def distribution(self, ids: list[int]) -> NDArray[np.float64]:
        """Return the probabilities float64[V] of the token after ``ids``."""
        return context_distribution(self.tables, self.state(ids))

    def bucket(self, ids: list[int]) -> int:
        """Return the class of the context after ``ids``."""
        return context_bucket(self.tables, self.state(ids))

    @property
    def buckets(self) -> int:
        """How many classes of contexts there are."""
        return bucket_count(self.model.order)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for pickle and copy, without what can be made from it again."""
        return {"model": self.model}


Member: TypeAlias = NetworkMember | CountMember
