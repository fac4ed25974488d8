"""Cut-offs of the adaptive softmax, chosen by a model of the cost of a step.

Grave, Joulin, Cissé, Grangier, Jégou (2017), "Efficient softmax approximation for GPUs": frequent
tokens are predicted from the whole hidden layer, rare ones in clusters from a projection of it. The
probabilities are exact and normalised. Where to cut follows from counts and a model of the cost.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["choose_cutoffs", "output_cost"]

# Cost of a weight's update in operations (FLOP): what a core computes while 16 bytes move.
_UPDATE_FLOPS = 100

# Clusters at most: a third one makes the perplexity worse (bench/CHOICES.md, "Adaptive softmax").
_MOST_CLUSTERS = 2

# Cut-offs tried, evenly spaced on a logarithmic scale.
_CANDIDATES = 16

# Least fraction of the ids in the head. A smaller head would cost less, but words that are not rare
# should be predicted from the whole hidden layer.
_LEAST_HEAD = 1 / 16


def output_cost(
    counts: NDArray[Any], cutoffs: tuple[int, ...], width: int, batch: int, tail_divisor: float
) -> float:
    """Return the operations (FLOP) of the output's part of a training step, per token.

    Parameters
    ----------
    counts : int[V]
        How often each id occurs.
    cutoffs : tuple of int
        Of the adaptive softmax; () for the full one.
    width : int
        H, of the layer before the output.
    batch : int
        Examples of a step.
    tail_divisor : float
        Cluster k is predicted from a projection of H / tail_divisor**k numbers.
    """
    return _output_cost(_fractions_below(counts), cutoffs, width, batch, tail_divisor)


def _fractions_below(counts: NDArray[Any]) -> NDArray[np.float64]:
    """Return the fraction of the text with an id below 0, 1, ..., V: float64[V + 1]."""
    return np.concatenate(([0.0], np.cumsum(counts, dtype=np.float64) / max(1, counts.sum())))


def _output_cost(
    below: NDArray[np.float64],
    cutoffs: tuple[int, ...],
    width: int,
    batch: int,
    tail_divisor: float,
) -> float:
    vocab = below.size - 1
    head = (cutoffs[0] if cutoffs else vocab) + len(cutoffs)
    cost = (6 + _UPDATE_FLOPS / batch) * width * head
    for number, (start, stop) in enumerate(pairwise((*cutoffs, vocab)), start=1):
        projected = max(1, int(width / tail_divisor**number))
        weights = projected * (width + stop - start)
        cost += (6 * (below[stop] - below[start]) + _UPDATE_FLOPS / batch) * weights
    return float(cost)


def choose_cutoffs(
    counts: NDArray[Any], *, width: int, batch: int, tail_divisor: float = 2.0
) -> tuple[int, ...]:
    """Return the one or two cut-offs of least cost (see ``output_cost``); none below 64 ids.

    The ids should be sorted by falling frequency. The choice takes milliseconds.
    """
    below = _fractions_below(counts)
    return min(
        _candidates(counts.size),
        key=lambda cutoffs: _output_cost(below, cutoffs, width, batch, tail_divisor),
        default=(),
    )


def _candidates(vocab: int) -> Iterator[tuple[int, ...]]:
    if vocab < 64:
        return
    spaced = np.unique(
        np.geomspace(max(16, vocab * _LEAST_HEAD), vocab / 1.25, _CANDIDATES).astype(int) // 16 * 16
    )
    usable = [int(cutoff) for cutoff in spaced if 16 <= cutoff < vocab]
    for clusters in range(1, _MOST_CLUSTERS + 1):
        yield from combinations(usable, clusters)
