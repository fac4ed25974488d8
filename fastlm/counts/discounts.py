"""The discounts of modified Kneser-Ney, estimated from counts of counts."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.counts.trie import CountedTrie

__all__ = ["FALLBACK", "counts_of_counts", "estimate_discounts", "last_ngram"]

FALLBACK = (0.5, 1.0, 1.5)
"""The discounts of an order whose own cannot be estimated, as KenLM's ``--discount_fallback``."""

_BLOCK = 1 << 20


def counts_of_counts(counted: CountedTrie, last: list[int]) -> list[list[int]]:
    """Return for each order how many n-grams have the counts 1, 2, 3 and 4.

    KenLM takes the occurrences of one n-gram of each order but the highest in place of its count:
    those at the end of its ``last`` n-gram. It is done here too, for the same discounts: where
    every line occurs twice, it decides whether order 1 has discounts of its own.

    Parameters
    ----------
    counted : CountedTrie
    last : list of int
        Tokens; see ``last_ngram``.
    """
    totals = np.zeros((len(counted.counts), 6), dtype=np.int64)
    for total, counts in zip(totals, counted.counts, strict=True):
        for start in range(0, len(counts), _BLOCK):
            total += np.bincount(np.minimum(counts[start : start + _BLOCK], 5), minlength=6)
    for level in range(min(len(last), len(totals) - 1)):
        node = _find(counted, last[len(last) - 1 - level :])
        totals[level, min(counted.counts[level][node], 5)] -= 1
        totals[level, min(counted.occurrences[level][node], 5)] += 1
    return [list(map(int, each[1:5])) for each in totals]


def _find(counted: CountedTrie, ngram: list[int]) -> int:
    """Return where an n-gram of the trie is in its level."""
    node = ngram[0]
    for level, token in enumerate(ngram[1:], 1):
        start, stop = counted.children[level - 1][node : node + 2].tolist()
        node = start + int(np.searchsorted(counted.tokens[level][start:stop], token))
    return node


def last_ngram(ids: NDArray[Any], order: int, vocab: int, boundary: int | None) -> list[int]:
    """Return the last n-gram of a text, sorted by last token, the one before it, and so on.

    Tokens are in the order in which they first occur, and the beginning of a document, which is not
    among those returned, before all.

    Parameters
    ----------
    ids : uint16[T] or uint32[T]
        At least one token.
    order : int
        Most tokens of the n-gram.
    vocab : int
    boundary : int or None
    """
    first = np.full(vocab, -1, dtype=np.int64)
    for stop in range(len(ids), 0, -_BLOCK):
        start = max(0, stop - _BLOCK)
        first[ids[start:stop][::-1]] = np.arange(stop - 1, start - 1, -1)
    if boundary is not None:
        first[boundary] = -1  # the end comes first too
    token = int(first.argmax())
    ngram = [token]
    places = _where(ids, token)
    while len(ngram) < order:
        places = places[places > 0] - 1
        before = first[ids[places]]
        if not (before >= 0).any():
            break
        token = int(ids[before.max()])
        ngram.insert(0, token)
        places = places[before == first[token]]
    return ngram


def _where(ids: NDArray[Any], token: int) -> NDArray[np.int64]:
    """Return the positions of a token; block by block, to need little memory."""
    found = [
        np.flatnonzero(ids[start : start + _BLOCK] == token) + start
        for start in range(0, len(ids), _BLOCK)
    ]
    return np.concatenate(found)


def estimate_discounts(counts: list[int]) -> tuple[float, float, float] | None:
    """Return what is taken off the counts 1, 2, and 3 or more.

    With n_j the n-grams of count j and Y = n_1 / (n_1 + 2 n_2), D_j = j - (j + 1) Y n_(j+1) / n_j
    (Chen and Goodman 1999, equation 26).

    Parameters
    ----------
    counts : list of int
        n_1 to n_4.

    Returns
    -------
    tuple of three floats, or None
        None where n_1, n_2 or n_3 is 0, or a discount is below 0 or above its count.
    """
    n1, n2, n3, n4 = counts
    if 0 in (n1, n2, n3):
        return None
    y = n1 / (n1 + 2 * n2)
    discounts = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    if all(0 <= discount <= j for j, discount in enumerate(discounts, 1)):
        return discounts
    return None
