"""Leaving n-grams out of a back-off model."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.counts.array_memory import ArrayMemory
from fastlm.counts.backoff_model import NO_SUFFIXES, BackoffModel

__all__ = ["keep_ngrams"]


def keep_ngrams(
    model: BackoffModel, kept: Sequence[NDArray[np.bool_]], memory: ArrayMemory
) -> BackoffModel:
    """Return a model with some of the n-grams; back-offs are as they were.

    Parameters
    ----------
    model : BackoffModel
    kept : list of bool[n_k]
        Which n-grams stay: all of level 0; of those of others the beginnings and suffixes too.
    memory : ArrayMemory
        Makes the arrays.
    """

    def chosen(values: NDArray[Any], which: NDArray[np.bool_]) -> NDArray[Any]:
        out = memory.empty(int(np.count_nonzero(which)), values.dtype)
        return np.compress(which, values, out=out)

    tokens, children, suffixes = [], [], [NO_SUFFIXES]
    before: NDArray[np.uint32] | None = None
    for level, which in enumerate(kept):
        tokens.append(chosen(model.tokens[level], which))
        # For each n-gram, and after the last, how many before it stay.
        places = memory.full(len(which) + 1, np.uint32, 0)
        np.cumsum(which, dtype=np.uint32, out=places[1:])
        if before is not None:
            suffixes.append(np.take(before, chosen(model.suffixes[level], which)))
            starts = chosen(model.children[level - 1][:-1], kept[level - 1])
            children.append(places[np.append(starts, np.uint32(len(which)))])
        before = places
    return dataclasses.replace(
        model,
        tokens=tuple(tokens),
        children=tuple(children),
        suffixes=tuple(suffixes),
        log_probs=tuple(map(chosen, model.log_probs, kept)),
        log_backoffs=tuple(map(chosen, model.log_backoffs, kept[:-1])),
    )
