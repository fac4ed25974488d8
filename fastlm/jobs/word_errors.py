"""Word errors: the fewest words that are wrong, missing or too many (Levenshtein 1966)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["word_errors"]


def word_errors(hypotheses: Sequence[str], reference: str) -> NDArray[np.int64]:
    """Return the word errors of texts against one reference, int64[n]; words are between spaces.

    All texts are compared at once, a word of each at a time.
    """
    numbers: dict[str, int] = {}
    target = np.array([numbers.setdefault(w, len(numbers)) for w in reference.split()], dtype=int)
    texts = [[numbers.setdefault(w, len(numbers)) for w in text.split()] for text in hypotheses]
    sizes = np.array([len(text) for text in texts], dtype=np.int64)
    words = np.full((len(texts), max(sizes, default=0)), -1)
    for row, text in zip(words, texts, strict=True):
        row[: len(text)] = text
    columns = np.arange(target.size + 1)
    # costs[i, j]: errors of the words of text i so far against the first j of the reference.
    costs = np.tile(columns, (len(texts), 1))
    for at in range(words.shape[1]):
        more = costs + 1
        replaced = costs[:, :-1] + (words[:, at : at + 1] != target)
        more[:, 1:] = np.minimum(more[:, 1:], replaced)
        # Words of the reference that are missing cost 1 each, from the left to the right.
        found = np.minimum.accumulate(more - columns, axis=1) + columns
        costs = np.where((at < sizes)[:, None], found, costs)
    errors: NDArray[np.int64] = costs[:, -1]
    return errors
