"""Mixtures in generation: the probabilities of all tokens, from a network's logits and counts."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from fastlm_kernels.counts.queries import CountTables, fill_probabilities, state_bucket
from fastlm_kernels.layers.exp import exp32
from fastlm_kernels.layers.softmax import row_max
from fastlm_kernels.runtime.jit import inner_kernel

F = np.float32


class Mixture(NamedTuple):
    """The members besides the network, and what each counts.

    tables : CountTables, of order 0 where there are no counts
    weights : float64[classes, K], of the network, of the others and, last, of the counts, for each
        class of contexts
    others : float32[(K - 2) * S * V], the logits of further networks for each of S texts
    """

    tables: CountTables
    weights: np.ndarray
    others: np.ndarray


@inner_kernel
def mix_row(z, p, mixture, state, text, texts):
    """Replace the logits z float32[V] of a text by ln p of the mixture.

    p : float64[V], memory of this thread
    state : int64[2], the context of the counts
    text, texts : the number of the text, and of how many
    """
    vocab = z.size
    weights = mixture.weights[state_bucket(state, mixture.tables)]
    members = weights.size
    if mixture.tables.order > 0:
        fill_probabilities(p, state, mixture.tables)
    for j in range(vocab):
        p[j] = weights[members - 1] * p[j] if mixture.tables.order > 0 else 0.0
    for member in range(members - 1):
        if weights[member] > 0.0:
            start = ((member - 1) * texts + text) * vocab
            logits = z if member == 0 else mixture.others[start : start + vocab]
            top = row_max(logits)
            total = 0.0
            for j in range(vocab):
                total += np.float64(exp32(logits[j] - top))
            factor = weights[member] / total
            for j in range(vocab):
                p[j] += factor * np.float64(exp32(logits[j] - top))
    for j in range(vocab):
        z[j] = F(math.log(p[j]))
