"""Interpolated modified Kneser-Ney estimates, level by level (Chen and Goodman 1999)."""

from __future__ import annotations

import math

import numpy as np

from fastlm_kernels.runtime.jit import kernel
from fastlm_kernels.runtime.scheduler import next_tile, tile_done


@kernel
def estimate_level(
    probs, backoffs, counts, occurrences, least, lower, suffixes, children, discounts, bounds,
    phases, worker,
):  # fmt: skip
    """Estimate the n-grams of a level from those of the level before.

    For the children w of a context h, c the count, D the discount of a count, s the suffix of h:

        p(w | h) = max(0, c(h w) - D) / sum of c + g(h) p(w | s)
        g(h) = (sum of D over the children kept + sum of c over those left out) / sum of c

    probs : float32[n], p; 0 for an n-gram that is left out. May share its memory with ``counts``
        and ``occurrences``
    backoffs : float32[m], g of each context; 1 for one without children
    counts : uint32[n], the counts c
    occurrences : uint32[n], by which n-grams are left out
    least : n-grams that occur less often are left out
    lower : float32[any], p of the level before
    suffixes : uint32[n]
    children : uint32[m + 1]
    discounts : float64[4], of the counts 0, 1, 2, and 3 or more
    bounds : int64[tiles + 1], the first context of each tile, then m
    """
    while True:
        tile = next_tile(worker, len(bounds) - 1, phases)
        if tile < 0:
            return
        for context in range(bounds[tile], bounds[tile + 1]):
            start, stop = np.int64(children[context]), np.int64(children[context + 1])
            total = np.int64(0)
            left_out = np.int64(0)
            discounted = 0.0
            for i in range(start, stop):
                count = np.int64(counts[i])
                total += count
                if np.int64(occurrences[i]) < least:
                    left_out += count
                else:
                    discounted += discounts[min(count, np.int64(3))]
            if total == 0:
                backoffs[context] = np.float32(1.0)
                continue
            backoff = (discounted + left_out) / total
            backoffs[context] = np.float32(backoff)
            for i in range(start, stop):
                if np.int64(occurrences[i]) < least:
                    probs[i] = np.float32(0.0)
                else:
                    count = np.int64(counts[i])
                    above = max(0.0, count - discounts[min(count, np.int64(3))])
                    probs[i] = np.float32(above / total + backoff * lower[suffixes[i]])
        tile_done(worker)


@kernel
def take_logs(values, least, bounds, phases, worker):
    """Replace each value by its natural logarithm; those below ``least`` count as ``least``.

    values : float32[n]
    """
    while True:
        tile = next_tile(worker, len(bounds) - 1, phases)
        if tile < 0:
            return
        for i in range(bounds[tile], bounds[tile + 1]):
            values[i] = np.float32(math.log(max(np.float64(values[i]), least)))
        tile_done(worker)
