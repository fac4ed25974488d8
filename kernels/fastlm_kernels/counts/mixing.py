"""Mixtures of probabilities, p = sum of w[k] p[k], where weights depend on the context alone."""

from __future__ import annotations

import math

import numpy as np

from fastlm_kernels.runtime.jit import exact_kernel


@exact_kernel
def mix_losses(losses, members, buckets, weights):
    """Compute -ln sum_k weights[bucket, k] exp(-members[k, i]) for every position i.

    losses : float64[n], written, in nats; it may be a row of ``members``
    members : float64[K, n], the losses of each member
    buckets : uint8[n], the class of each position's context
    weights : float64[buckets, K], each row sums to 1
    """
    for i in range(losses.size):
        row = weights[buckets[i]]
        least = np.inf
        for k in range(row.size):
            if row[k] > 0.0:
                least = min(least, members[k, i])
        total = 0.0
        for k in range(row.size):
            if row[k] > 0.0:
                total += row[k] * math.exp(least - members[k, i])
        losses[i] = least - math.log(total)
