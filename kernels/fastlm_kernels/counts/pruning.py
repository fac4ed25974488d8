"""What a back-off model loses with n-grams that are left out, and its back-offs without them."""

from __future__ import annotations

import math

import numpy as np

from fastlm_kernels.runtime.jit import inner_kernel, kernel
from fastlm_kernels.runtime.scheduler import next_tile, tile_done


@inner_kernel
def unseen_share(log_probs, lower, suffixes, start, stop):
    """Return what the shorter context gives to all but the children: 1 - sum of p(w | s)."""
    share = 1.0
    for i in range(start, stop):
        share -= math.exp(np.float64(lower[suffixes[i]]))
    return max(share, 0.0)


@kernel
def removal_costs(
    costs, weights, log_probs, log_backoffs, lower, suffixes, children, bounds, phases, worker
):
    """Find what is lost with each n-gram: the weighted difference of Seymore and Rosenfeld (1996).

    With P(h) the weight of the context h, g its back-off and s its suffix:

        P(h) p(w | h) (ln p(w | h) - ln(g p(w | s)))

    costs : float32[n], at least 0
    weights : float32[m], of the contexts
    log_probs : float32[n], ln p(w | h)
    log_backoffs : float32[m], ln g
    lower : float32[any], ln p of the level before
    suffixes : uint32[n]
    children : uint32[m + 1]
    bounds : int64[tiles + 1], the first context of each tile, then m
    """
    while True:
        tile = next_tile(worker, len(bounds) - 1, phases)
        if tile < 0:
            return
        for context in range(bounds[tile], bounds[tile + 1]):
            backoff = np.float64(log_backoffs[context])
            weight = np.float64(weights[context])
            for i in range(np.int64(children[context]), np.int64(children[context + 1])):
                log_prob = np.float64(log_probs[i])
                difference = log_prob - backoff - np.float64(lower[suffixes[i]])
                costs[i] = np.float32(weight * math.exp(log_prob) * max(difference, 0.0))
        tile_done(worker)


@kernel
def raise_costs(shorter, costs, suffixes, children):
    """Give beginnings and suffixes of n-grams at least the cost of the n-gram.

    shorter : float32[m], the costs of the level before
    costs : float32[n], suffixes : uint32[n], children : uint32[m + 1]
    """
    for context in range(len(shorter)):
        for i in range(np.int64(children[context]), np.int64(children[context + 1])):
            shorter[context] = max(shorter[context], costs[i])
            shorter[suffixes[i]] = max(shorter[suffixes[i]], costs[i])


@kernel
def renew_backoffs(
    log_backoffs, log_probs, lower, suffixes, children, costs, most, bounds, phases, worker
):
    """Give back-offs what their n-grams that are left out had, so that all sums to 1 again.

    log_backoffs : float32[m], changed
    costs : float32[n]; an n-gram stays if its cost is over ``most``
    others : as for ``removal_costs``
    """
    while True:
        tile = next_tile(worker, len(bounds) - 1, phases)
        if tile < 0:
            return
        for context in range(bounds[tile], bounds[tile + 1]):
            start, stop = np.int64(children[context]), np.int64(children[context + 1])
            had = 0.0
            has = 0.0
            left_out = np.int64(0)
            for i in range(start, stop):
                if not costs[i] > most:
                    had += math.exp(np.float64(log_probs[i]))
                    has += math.exp(np.float64(lower[suffixes[i]]))
                    left_out += 1
            if left_out == stop - start:
                log_backoffs[context] = np.float32(0.0)
            elif left_out > 0:
                share = unseen_share(log_probs, lower, suffixes, start, stop)
                rest = math.exp(np.float64(log_backoffs[context])) * share
                log_backoffs[context] = np.float32(math.log((rest + had) / (share + has)))
        tile_done(worker)
