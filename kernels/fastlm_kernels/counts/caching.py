"""Adaptive losses: a model mixed with the frequencies of a document's recent tokens.

Kuhn and De Mori 1990, "A cache-based natural language model for speech recognition". The share of
the cache follows from the tokens before, by expectation-maximisation one token at a time, so that
an adaptive probability depends on nothing that comes later.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fastlm_kernels.runtime.jit import exact_kernel

# Elements of TokenWindow.state.
TOKENS, SHARE_SUM = range(2)

_FIRST_SHARE = 0.05
_PRIOR = 100.0  # tokens that the first share counts as


class TokenWindow(NamedTuple):
    """The last N tokens of a document.

    ring : int32[N], token number t of the document at t mod N
    counts : int64[V], how often each token is in it
    state : float64[2], TOKENS of the document so far, and SHARE_SUM, the sum of the shares that the
        cache had in their probabilities
    """

    ring: np.ndarray
    counts: np.ndarray
    state: np.ndarray


@exact_kernel
def cache_losses(adaptive, losses, ids, window, boundary):
    """Compute -ln((1 - w) p + w c / n) of each token: c of the last n are the same.

    adaptive : float64[T], written, in nats
    losses : float64[T], -ln p of the model
    ids : int32[T], what follows the tokens of the window
    window : TokenWindow, changed
    boundary : the id that ends a document, after which the window is empty
    """
    size = window.ring.size
    done = np.int64(window.state[TOKENS])
    total = window.state[SHARE_SUM]
    for i in range(ids.size):
        token = ids[i]
        loss = losses[i]
        if done > 0:
            weight = (_PRIOR * _FIRST_SHARE + total) / (_PRIOR + np.float64(done - 1))
            found = window.counts[token]
            if found == 0:
                loss -= math.log(1.0 - weight)
            else:
                cached = weight * np.float64(found) / np.float64(min(done, size))
                mixed = (1.0 - weight) * math.exp(-loss) + cached
                loss = -math.log(mixed)
                total += cached / mixed
        adaptive[i] = loss
        if token == boundary:
            for place in range(min(done, size)):
                window.counts[window.ring[place]] = 0
            done = np.int64(0)
            total = 0.0
            continue
        place = done % size
        if done >= size:
            window.counts[window.ring[place]] -= 1
        window.ring[place] = token
        window.counts[token] += 1
        done += 1
    window.state[TOKENS] = np.float64(done)
    window.state[SHARE_SUM] = total
