"""Modified Kneser-Ney over dictionaries in float64: slow, obvious, and without any kernel.

The rules are those of Chen and Goodman 1999 as KenLM reads them. A document is a list of tokens;
the boundary token stands before it, and after it unless it is cut short.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

Gram = tuple[int, ...]

FALLBACK = (0.5, 1.0, 1.5)


def documents_of(ids: Sequence[int], boundary: int | None) -> list[Gram]:
    """Cut a text after each boundary token, and put one before each document."""
    documents: list[list[int]] = [[]]
    for token in ids:
        documents[-1].append(int(token))
        if token == boundary:
            documents.append([])
    if not documents[-1]:
        documents.pop()
    before = [] if boundary is None else [boundary]
    return [(*before, *document) for document in documents]


def occurrences(documents: list[Gram], order: int) -> list[Counter[Gram]]:
    """Count the n-grams of each order; a document's beginning is no 1-gram."""
    counts: list[Counter[Gram]] = [Counter() for _ in range(order)]
    for document in documents:
        for start in range(len(document)):
            for n in range(1, order + 1):
                if start + n <= len(document):
                    counts[n - 1][document[start : start + n]] += 1
    return counts


def adjusted(
    raw: list[Counter[Gram]], documents: list[Gram], boundary: int | None
) -> list[Counter[Gram]]:
    """Count the tokens before each n-gram that is not of the highest order."""
    counts = []
    for n, grams in enumerate(raw[:-1], 1):
        before: dict[Gram, set[int | None]] = defaultdict(set)
        for longer in raw[n]:
            before[longer[1:]].add(longer[0])
        if boundary is None:  # the beginning of the text is something before it
            before[documents[0][:n]].add(None)
        counts.append(
            Counter(
                {
                    gram: grams[gram] if n > 1 and gram[0] == boundary else len(before[gram])
                    for gram in grams
                    if n > 1 or before[gram]
                }
            )
        )
    return [*counts, raw[-1]]


def last_of(documents: list[Gram], order: int, boundary: int | None) -> Gram:
    """The last n-gram of KenLM: by its last token, the one before, ...; tokens by occurrence."""
    ranks: dict[int | None, int] = {None: -2}
    if boundary is not None:
        ranks[boundary] = -1
    for document in documents:
        for token in document:
            ranks.setdefault(token, len(ranks))
    best: tuple[int | None, ...] = ()
    for document in documents:
        body = document if boundary is None else document[1:]
        padded = (*[None] * (order - 1), *body)
        for stop in range(order, len(padded) + 1):
            gram = padded[stop - order : stop]
            if not best or [ranks[t] for t in gram[::-1]] > [ranks[t] for t in best[::-1]]:
                best = gram
    return tuple(token for token in best if token is not None)


def discounts(
    counts: Counter[Gram], occurrences: Counter[Gram], last: Gram
) -> tuple[float, float, float]:
    """KenLM takes the occurrences of one n-gram in place of its count."""
    n = Counter(
        (counts | {last: occurrences[last]}).values() if last in counts else counts.values()
    )
    try:
        y = n[1] / (n[1] + 2 * n[2])
        estimated = tuple(j - (j + 1) * y * n[j + 1] / n[j] for j in (1, 2, 3))
    except ZeroDivisionError:
        return FALLBACK
    if all(0 <= each <= j for j, each in enumerate(estimated, 1)):
        return estimated  # type: ignore[return-value]
    return FALLBACK


class NaiveModel:
    """p(w | h) = max(0, c(h w) - D) / sum of c + g(h) p(w | h without its first token)."""

    def __init__(
        self,
        ids: Sequence[int],
        order: int,
        vocab: int,
        boundary: int | None,
        prune: Sequence[int] = (),
    ) -> None:
        documents = documents_of(ids, boundary)
        raw = occurrences(documents, order)
        if boundary is not None:
            raw[0][boundary,] -= len(documents)
            raw[0] += Counter()  # without those of count 0
        counts = adjusted(raw, documents, boundary)
        cuts = [*prune, *[prune[-1] if prune else 0] * (order - len(prune))]
        last = last_of(documents, order, boundary)
        self.discounts = [
            discounts(*each, last[len(last) - n :] if n <= len(last) else ())
            for n, each in enumerate(zip(counts, raw, strict=True), 1)
        ]
        self.probs: dict[Gram, float] = {}
        self.backoffs: dict[Gram, float] = {}
        for n, (grams, cut, taken) in enumerate(zip(counts, cuts, self.discounts, strict=True), 1):
            totals: Counter[Gram] = Counter()
            left: defaultdict[Gram, float] = defaultdict(float)
            for gram, count in grams.items():
                totals[gram[:-1]] += count
                pruned = n > 1 and raw[n - 1][gram] <= cut
                left[gram[:-1]] += count if pruned else taken[min(count, 3) - 1]
            for context, total in totals.items():
                self.backoffs[context] = left[context] / total
            members = [(token,) for token in range(vocab)] if n == 1 else list(grams)
            for gram in members:
                count, context = grams[gram], gram[:-1]
                if n > 1 and raw[n - 1][gram] <= cut:
                    continue
                own = max(0.0, count - taken[min(count, 3) - 1]) if count else 0.0
                lower = 1 / vocab if n == 1 else self.probs[gram[1:]]
                self.probs[gram] = own / totals[context] + self.backoffs[context] * lower

    def prob(self, context: Gram, token: int) -> float:
        gram = (*context, token)
        if gram in self.probs:
            return self.probs[gram]
        return self.backoffs.get(context, 1.0) * self.prob(context[1:], token)

    def logs(self) -> dict[Gram, tuple[float, float]]:
        """Return ln p and ln of the back-off for each n-gram."""
        return {
            gram: (math.log(p), math.log(max(self.backoffs.get(gram, 1.0), 1e-8)))
            for gram, p in self.probs.items()
        }
