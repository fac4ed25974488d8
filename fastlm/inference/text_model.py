"""The part of a language model that generation, scoring and evaluation need."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from fastlm.counts.backoff_model import BackoffModel
from fastlm.inference.members import CountMember, Member, NetworkMember
from fastlm.inference.mixture import mixed_losses, one_bucket
from fastlm.model.remembered import Remembered
from fastlm.model.seen import Seen
from fastlm.tokenizers import Tokenizer
from fastlm.types import Documents
from fastlm_kernels.runtime.arguments import Tokens

__all__ = ["TextModel"]


@dataclass(frozen=True, kw_only=True)
class TextModel:
    """A snapshot of a model, taken when a call begins: later training does not change it.

    The probability of a token is that of the one member, or the sum of its members' weighted
    probabilities. The weights depend on the class of the context alone.

    Attributes
    ----------
    tokenizer : Tokenizer
    documents : {"file", "paragraphs", "lines", "stream"}
        What a document is, which no context crosses.
    networks : tuple of NetworkMember
    counts : CountMember or None
    weights : float64[classes, members] or None
        Of the networks in order, then of the counts; each row sums to 1. With counts the classes
        are those of their contexts, else there is one. None: there is one member.
    seen : Seen
        What occurred in training.
    remembered : Remembered or None
        The lines of the training text, if they were to be remembered.
    """

    tokenizer: Tokenizer
    documents: Documents
    networks: tuple[NetworkMember, ...] = ()
    counts: CountMember | None = None
    weights: NDArray[np.float64] | None = None
    seen: Seen = field(default_factory=Seen)
    remembered: Remembered | None = None

    @property
    def members(self) -> tuple[Member, ...]:
        """The networks, then the counts."""
        return self.networks if self.counts is None else (*self.networks, self.counts)

    @property
    def span(self) -> int:
        """Tokens before the target that matter."""
        return max(member.span for member in self.members)

    @property
    def first_target(self) -> int:
        """The first position of a text that can be predicted."""
        return max(member.first_target for member in self.members)

    def with_counts(self, counts: BackoffModel) -> TextModel:
        """Return this model with counts; its weights are even, until some are fitted."""
        member = CountMember(counts)
        size = len(self.networks) + 1
        even = np.full((member.buckets, size), 1 / size)
        return replace(self, counts=member, weights=even if size > 1 else None)

    def losses(
        self, tokens: Tokens, first: int, stop: int, threads: int = 1
    ) -> NDArray[np.float64]:
        """Return -ln p(token | its context) in nats, for the positions first <= t < stop.

        The result has the same bits for any number of threads, and wherever in the array a token
        and its context lie.

        Returns
        -------
        float64[stop - first]
        """
        if self.weights is None:
            (member,) = self.members
            return member.losses(tokens, first, stop, threads)
        losses, buckets = self.member_losses(tokens, first, stop, threads)
        return mixed_losses(losses, buckets, self.weights)

    def member_losses(
        self, tokens: Tokens, first: int, stop: int, threads: int = 1
    ) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
        """Return the losses of each member, float64[members, n], and the classes, uint8[n]."""
        losses = np.empty((len(self.members), stop - first))
        buckets = one_bucket(stop - first)
        for number, network in enumerate(self.networks):
            losses[number] = network.losses(tokens, first, stop, threads)
        if self.counts is not None:
            losses[-1], buckets = self.counts.losses_and_buckets(tokens, first, stop, threads)
        return losses, buckets

    def weights_after(self, ids: list[int]) -> NDArray[np.float64]:
        """Return the weights float64[members] of the token after ``ids``, a document's start."""
        if self.weights is None:
            return np.ones(1)
        bucket = 0 if self.counts is None else self.counts.bucket(ids)
        weights: NDArray[np.float64] = self.weights[bucket]
        return weights

    def distribution(self, ids: list[int]) -> NDArray[np.float64]:
        """Return the probabilities float64[V] of the token after ``ids``; they sum to 1."""
        if self.weights is None:
            return self.members[0].distribution(ids)
        parts = [member.distribution(ids) for member in self.members]
        mixed: NDArray[np.float64] = self.weights_after(ids) @ np.array(parts)
        mixed /= mixed.sum()
        return mixed

    def logits(self, ids: list[int]) -> NDArray[np.float32]:
        """Return the logits of a network, or ln p of other models, float32[V], after ``ids``."""
        if self.weights is None and self.counts is None:
            return self.networks[0].logits(ids)
        return np.log(self.distribution(ids)).astype(np.float32)
