"""Where an adaptive softmax cuts its clusters, and when it is the faster road.

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

# The update of a weight moves 16 bytes a step; meanwhile a core could do so many operations.
_UPDATE_FLOPS = 100


# A third cluster, whose projection is an eighth of the layer, costs quality: on 5 MB of books
# (29,342 words, one epoch, one seed) a perplexity of 308.0, where two clusters with the same head
# have 299.3 and the full softmax 294.4 (``bench/adaptive_quality.py``).
_MOST_CLUSTERS = 2


_CANDIDATES = 16


# The head holds at least this share of the ids: a smaller one would cost less still, but words that
# are not rare deserve the whole hidden layer.
_LEAST_HEAD = 1 / 16


def output_cost(
    counts: NDArray[Any], cutoffs: tuple[int, ...], width: int, batch: int, tail_divisor: float
) -> float:
    """Operations (FLOP) of the output's part of a training step, per token.

    counts : int[V], how often each id occurs
    cutoffs : of the adaptive softmax; none for the full one
    width : H, of the layer before the output
    """
    return _output_cost(_shares(counts), cutoffs, width, batch, tail_divisor)


def _shares(counts: NDArray[Any]) -> NDArray[np.float64]:
    """float64[V + 1]: the share of the ids below each."""
    return np.concatenate(([0.0], np.cumsum(counts, dtype=np.float64) / max(1, counts.sum())))


def _output_cost(
    share: NDArray[np.float64],
    cutoffs: tuple[int, ...],
    width: int,
    batch: int,
    tail_divisor: float,
) -> float:
    vocab = share.size - 1
    head = (cutoffs[0] if cutoffs else vocab) + len(cutoffs)
    cost = (6 + _UPDATE_FLOPS / batch) * width * head
    for number, (start, stop) in enumerate(pairwise((*cutoffs, vocab)), start=1):
        projected = max(1, int(width / tail_divisor**number))
        weights = projected * (width + stop - start)
        cost += (6 * (share[stop] - share[start]) + _UPDATE_FLOPS / batch) * weights
    return float(cost)


def choose_cutoffs(
    counts: NDArray[Any], *, width: int, batch: int, tail_divisor: float = 2.0
) -> tuple[int, ...]:
    """The cut-offs of least cost (see ``output_cost``), one or two; none for fewer than 64 ids.

    The ids are meant to go by falling frequency. Candidates are spaced evenly on a logarithmic
    scale, so that the choice takes milliseconds.
    """
    share = _shares(counts)
    return min(
        _candidates(counts.size),
        key=lambda cutoffs: _output_cost(share, cutoffs, width, batch, tail_divisor),
        default=(),
    )


def _candidates(vocab: int) -> Iterator[tuple[int, ...]]:
    if vocab < 64:
        return
    places = np.unique(
        np.geomspace(max(16, vocab * _LEAST_HEAD), vocab / 1.25, _CANDIDATES).astype(int) // 16 * 16
    )
    usable = [int(place) for place in places if 16 <= place < vocab]
    for clusters in range(1, _MOST_CLUSTERS + 1):
        yield from combinations(usable, clusters)
