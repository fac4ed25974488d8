"""The weights of a language model and of words that leave the fewest word errors.

Along one weight the best hypothesis of an utterance changes at a few places only, those of the
upper envelope of its lines; so the errors along it are exact (Och 2003). Both weights are searched
in turn until neither helps, from several starts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Found", "best_of", "search_weights"]

_STARTS = (0.1, 0.3, 1.0, 3.0, 10.0)
_MOST_TURNS = 20


class Found(NamedTuple):
    """Weights, and the word errors of the hypotheses that they choose."""

    lm_weight: float
    word_bonus: float
    errors: int


def best_of(totals: NDArray[np.float64], groups: Sequence[Sequence[int]]) -> list[int]:
    """Return the hypothesis of each group with the highest total; of equals the first."""
    return [max(group, key=totals.__getitem__) for group in groups]


def search_weights(
    scores: NDArray[np.float64],
    log_probs: NDArray[np.float64],
    words: NDArray[np.int64],
    errors: NDArray[np.int64],
    groups: Sequence[Sequence[int]],
) -> Found:
    """Return the weights W >= 0 and B of score + W log_prob + B words with the fewest errors.

    Parameters
    ----------
    scores, log_probs : float64[n]
        Of the first pass, and of the language model.
    words, errors : int64[n]
    groups : sequence of sequence of int
        The hypotheses of each utterance.
    """

    def measured(weight: float, bonus: float) -> Found:
        best = best_of(scores + weight * log_probs + bonus * words, groups)
        return Found(weight, bonus, int(errors[best].sum()))

    spreads = [max((np.ptp(each[group]) for group in groups), default=0.0) for each in
               (scores, log_probs)]  # fmt: skip
    scale = spreads[0] / spreads[1] if min(spreads) > 0 else 1.0
    found = measured(0.0, 0.0)
    for start in _STARTS:
        now = measured(start * scale, 0.0)
        for _ in range(_MOST_TURNS):
            before = now.errors
            weight = _search_line(
                scores + now.word_bonus * words, log_probs, errors, groups, now.lm_weight, 0.0
            )
            now = min(now, measured(weight, now.word_bonus), key=_errors)
            bonus = _search_line(
                scores + now.lm_weight * log_probs, words, errors, groups, now.word_bonus
            )
            now = min(now, measured(now.lm_weight, bonus), key=_errors)
            if now.errors == before:
                break
        found = min(found, now, key=_errors)
    return found


def _errors(found: Found) -> int:
    return found.errors


def _search_line(
    bases: NDArray[np.float64],
    slopes: NDArray[np.float64] | NDArray[np.int64],
    errors: NDArray[np.int64],
    groups: Sequence[Sequence[int]],
    start: float,
    least: float = -math.inf,
) -> float:
    """Return an x >= least where base + x slope chooses the fewest errors, ``start`` if that does.

    Of several stretches of x it is the middle of the longest that has two ends.
    """
    total = 0
    changes: dict[float, int] = {}
    base, slope, error = bases.tolist(), slopes.tolist(), errors.tolist()
    for group in groups:
        envelope = _envelope(group, base, slope)
        total += error[envelope[0][1]]
        for (_, before), (at, after) in pairwise(envelope):
            changes[at] = changes.get(at, 0) + error[after] - error[before]
    stretches = []
    left = -math.inf
    for at in [*sorted(changes), math.inf]:
        if at > least:
            low = max(left, least)
            held = low < start < at
            width = at - low if math.isfinite(at - low) else 0.0
            stretches.append((total, not held, -width, low, at))
        total += changes.get(at, 0)
        left = at
    _, moves, _, low, high = min(stretches)
    if not moves:
        return start
    if math.isinf(low) and math.isinf(high):
        return start
    if math.isinf(high):
        return low + max(1.0, abs(low))
    return high - max(1.0, abs(high)) if math.isinf(low) else (low + high) / 2


def _envelope(
    group: Sequence[int], bases: list[float], slopes: list[float]
) -> list[tuple[float, int]]:
    """Return (x, i): from which x on line i of a group is the highest; the first from -inf on."""
    hull: list[tuple[float, int]] = []
    for line in sorted(group, key=lambda i: (slopes[i], bases[i], -i)):
        start = -math.inf
        while hull:
            begins, other = hull[-1]
            rise = slopes[line] - slopes[other]
            if rise > 0:
                start = (bases[other] - bases[line]) / rise
                if start > begins:
                    break
            hull.pop()
            start = -math.inf
        hull.append((start, line))
    return hull
