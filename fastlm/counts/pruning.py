"""Leaving n-grams out of a back-off model."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.counts.array_memory import ArrayMemory
from fastlm.counts.backoff_model import BackoffModel
from fastlm.counts.trie import bounds_of_contexts, run_tiles
from fastlm.errors import ConfigError
from fastlm.system.resources import thread_count
from fastlm_kernels.counts import pruning

__all__ = ["keep_ngrams", "prune_to_size", "sizes_per_ngram"]

_LARGEST_BITS = 0x7F800000  # of float32: infinity


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
    sizes = [int(np.count_nonzero(which)) for which in kept]

    def chosen(levels: Sequence[NDArray[Any]]) -> list[NDArray[Any]]:
        rows = memory.rows(sizes[: len(levels)], levels[0].dtype) if levels else []
        for row, values, which in zip(rows, levels, kept, strict=False):
            np.compress(which, values, out=row)
        return rows

    suffixes = memory.rows([0, *sizes[1:]], np.uint32)
    children = memory.rows([size + 1 for size in sizes[:-1]], np.uint32)
    places: NDArray[np.uint32] = np.zeros(0, dtype=np.uint32)
    for level, which in enumerate(kept):
        # For each n-gram, and after the last, how many before it stay.
        before, places = places, memory.empty(len(which) + 1, np.uint32)
        places[0] = 0
        np.cumsum(which, dtype=np.uint32, out=places[1:])
        if level:
            suffixes[level][:] = before[model.suffixes[level][which]]
            starts = model.children[level - 1][:-1][kept[level - 1]]
            children[level - 1][:-1] = places[starts]
            children[level - 1][-1] = places[-1]
    return dataclasses.replace(
        model,
        tokens=tuple(chosen(model.tokens)),
        children=tuple(children),
        suffixes=tuple(suffixes),
        log_probs=tuple(chosen(model.log_probs)),
        log_backoffs=tuple(chosen(model.log_backoffs)),
    )


def sizes_per_ngram(model: BackoffModel) -> list[int]:
    """Return the bytes that an n-gram of each order takes in the arrays of a model."""
    last = model.order - 1
    token = model.tokens[0].itemsize
    return [token + 4 * (1 + (k > 0) + 2 * (k < last)) for k in range(model.order)]


def prune_to_size(
    model: BackoffModel,
    nbytes: int,
    weights: Sequence[NDArray[Any]] | None = None,
    *,
    threads: int | None = None,
    memory: ArrayMemory | None = None,
) -> BackoffModel:
    """Leave out the n-grams that are missed least, so that a model takes at most some bytes.

    An n-gram is missed by how often its context occurs, times its probability, times the logarithm
    of that over what the back-off gives (Seymore and Rosenfeld 1996, "Scalable backoff language
    models"). The beginnings and suffixes of n-grams that stay do too. Back-offs are computed anew,
    so that everything sums to 1 as before.

    Parameters
    ----------
    model : BackoffModel
        Not changed; returned itself if it is small enough.
    nbytes : int
        Most bytes of all arrays of the result.
    weights : list of float32[n_k] or uint32[n_k], optional
        For each order but the highest, how often each n-gram occurs. Without it, what the model
        itself expects, which is worse: Kneser-Ney's lower orders are not those of the text (Chelba
        et al. 2010).
    threads : int, optional
    memory : ArrayMemory, optional

    Raises
    ------
    ConfigError
        If the n-grams of order 1, which all stay, are larger.
    """
    if model.nbytes <= nbytes:
        return model
    memory = memory or ArrayMemory()
    threads = thread_count(threads)
    costs = _costs(model, _weights(model) if weights is None else weights, threads, memory)
    most = _largest_cost(model, costs, nbytes)
    log_backoffs = tuple(each.copy() for each in model.log_backoffs)
    for level in range(1, model.order):
        children = model.children[level - 1]
        run_tiles(
            threads, pruning.renew_backoffs, log_backoffs[level - 1], model.log_probs[level],
            model.log_probs[level - 1], model.suffixes[level], children, costs[level], float(most),
            bounds=bounds_of_contexts(children),
        )  # fmt: skip
    pruned = dataclasses.replace(
        model, log_backoffs=log_backoffs, metadata={**model.metadata, "size": nbytes}
    )
    return keep_ngrams(pruned, [each > most for each in costs], memory)


def _weights(model: BackoffModel) -> list[NDArray[np.float32]]:
    """Return the probability of each context, by the model."""
    weights = [np.exp(model.log_probs[0])]
    for level in range(1, model.order - 1):
        starts = model.children[level - 1]
        sizes = starts[1:] - starts[:-1]
        weights.append(np.repeat(weights[-1], sizes) * np.exp(model.log_probs[level]))
    return weights


def _costs(
    model: BackoffModel, weights: Sequence[NDArray[Any]], threads: int, memory: ArrayMemory
) -> list[NDArray[np.float32]]:
    """Return the cost of each n-gram, or that of an n-gram it is part of if that is more."""
    costs = memory.rows(model.counts, np.float32)
    costs[0][:] = np.inf
    for level in range(1, model.order):
        children = model.children[level - 1]
        run_tiles(
            threads, pruning.removal_costs, costs[level], weights[level - 1].astype(np.float32),
            model.log_probs[level], model.log_backoffs[level - 1], model.log_probs[level - 1],
            model.suffixes[level], children, bounds=bounds_of_contexts(children),
        )  # fmt: skip
    for level in range(model.order - 1, 1, -1):
        pruning.raise_costs(
            costs[level - 1], costs[level], model.suffixes[level], model.children[level - 1]
        )
    return costs


def _largest_cost(
    model: BackoffModel, costs: Sequence[NDArray[np.float32]], nbytes: int
) -> np.float32:
    """Return the least cost so that n-grams of more than it fit."""
    sizes = sizes_per_ngram(model)
    fixed = sizes[0] * model.vocab + 4 * (model.order - 1)  # and the ends of the children

    def size_over(most: np.float32) -> int:
        return fixed + sum(
            size * int(np.count_nonzero(each > most))
            for size, each in zip(sizes[1:], costs[1:], strict=True)
        )

    if size_over(np.float32(np.inf)) > nbytes:
        raise ConfigError(
            f"counts in {nbytes:,} bytes have no room for {model.vocab:,} tokens; allow more than "
            f"{fixed:,}"
        )
    # The bits of floats that are not negative are in the order of the floats.
    low, high = 0, _LARGEST_BITS
    while low < high:
        middle = (low + high) // 2
        if size_over(np.uint32(middle).view(np.float32)) <= nbytes:
            high = middle
        else:
            low = middle + 1
    return np.uint32(low).view(np.float32)
