"""A back-off model the slow and obvious way: dictionaries, float64, no kernel.

The estimate is interpolated Witten-Bell (1991), which needs no discounts, so that any text gives a
model. What is tested with it is how a model is queried, not how good it is.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np

from fastlm.counts.backoff_model import BackoffModel
from tests.counts.models import model_of

Ngram = tuple[int, ...]


class NaiveModel:
    """The probabilities and back-off weights of n-grams in dictionaries.

    boundary : begins and ends every document; None: nothing does
    kept : n-grams of order 2 and more that occur less often are left out
    """

    def __init__(
        self,
        documents: Iterable[Sequence[int]],
        vocab: int,
        order: int,
        boundary: int | None,
        kept: int = 1,
    ) -> None:
        self.vocab, self.order, self.boundary = vocab, order, boundary
        counts: Counter[Ngram] = Counter()
        for document in documents:
            marks = () if boundary is None else (boundary,)
            tokens = (*marks, *document, *marks)
            for size in range(1, order + 1):
                for start in range(len(tokens) - size + 1):
                    counts[tokens[start : start + size]] += 1
        followers: dict[Ngram, dict[int, int]] = defaultdict(dict)
        for ngram, count in counts.items():
            followers[ngram[:-1]][ngram[-1]] = count
        self.log_probs: dict[Ngram, float] = {}
        self.log_backoffs: dict[Ngram, float] = {}
        total = sum(followers[()].values())
        for token in range(vocab):
            self.log_probs[(token,)] = math.log((followers[()].get(token, 0) + 1) / (total + vocab))
        for size in range(2, order + 1):
            for context in sorted(c for c in followers if len(c) == size - 1):
                if len(context) > 1 and context not in self.log_probs:
                    continue
                own = followers[context]
                seen = {
                    token: count
                    for token, count in own.items()
                    if count >= kept and (size == 2 or (*context[1:], token) in self.log_probs)
                }
                if not seen:
                    continue
                total, kinds = sum(own.values()), len(own)
                lower = {token: math.exp(self.log_prob(token, context[1:])) for token in seen}
                for token, count in seen.items():
                    p = (count + kinds * lower[token]) / (total + kinds)
                    self.log_probs[(*context, token)] = math.log(p)
                weight = kinds / (total + kinds)
                if len(seen) < len(own):  # else this is what the sums give, but for their rounding
                    left = 1 - sum(math.exp(self.log_probs[(*context, token)]) for token in seen)
                    weight = left / (1 - sum(lower.values()))
                self.log_backoffs[context] = math.log(weight)

    def context(self, before: Sequence[int]) -> Ngram:
        """Return the tokens before a position that a document's model sees."""
        tokens = list(before)
        if self.boundary is not None:
            tokens = [self.boundary, *tokens]
            tokens = tokens[len(tokens) - 1 - tokens[::-1].index(self.boundary) :]
        return tuple(tokens[max(0, len(tokens) - self.order + 1) :]) if self.order > 1 else ()

    def log_prob(self, token: int, context: Ngram) -> float:
        """Return ln p(token | context)."""
        if (*context, token) in self.log_probs:
            return self.log_probs[(*context, token)]
        return self.log_backoffs.get(context, 0.0) + self.log_prob(token, context[1:])

    def losses(self, ids: Sequence[int]) -> np.ndarray:
        """Return -ln p of every token of an array in which boundary tokens end documents."""
        before = [self.context(ids[max(0, at - 50) : at]) for at in range(len(ids))]
        if self.boundary is None:
            before = [tuple(ids[max(0, at - self.order + 1) : at]) for at in range(len(ids))]
        return np.array([-self.log_prob(*pair) for pair in zip(ids, before, strict=True)])

    def model(self) -> BackoffModel:
        """Return the same model in arrays."""
        ngrams = {n: (p, self.log_backoffs.get(n, 0.0)) for n, p in self.log_probs.items()}
        return model_of(ngrams, self.vocab, self.boundary)


def random_model(
    seed: int, vocab: int, order: int, *, boundary: int | None = 0, kept: int = 1, tokens: int = 400
) -> NaiveModel:
    """Return the model of a random text, most of whose tokens are frequent ones."""
    rng = np.random.default_rng(seed)
    documents, lowest = [], 0 if boundary is None else 1
    for size in rng.integers(1, 30, size=max(1, tokens // 15)):
        ids = lowest + (vocab - lowest) * rng.random(size) ** 3
        documents.append([int(id) for id in ids])
    return NaiveModel(documents, vocab, order, boundary, kept)
