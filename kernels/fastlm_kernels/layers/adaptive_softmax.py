"""The clusters of an adaptive softmax: which ids and which rows of a batch they hold, and where.

Part 0 of the output is its head, part 1, 2, ... are the clusters.
"""

from __future__ import annotations

import numpy as np

from fastlm_kernels.runtime.arguments import FAN_OUT
from fastlm_kernels.runtime.jit import inner_kernel


@inner_kernel
def cluster_of(id, cutoffs):
    """0 for the head, else the number of the cluster."""
    cluster = np.int64(0)
    while cluster + 1 < cutoffs.size and id >= cutoffs[cluster]:
        cluster += 1
    return cluster


@inner_kernel
def count_clusters(starts, targets, rows, cutoffs):
    """The first row of each cluster, once the rows of the last cluster come first."""
    for cluster in range(starts.size):
        starts[cluster] = 0
    for row in range(rows):
        starts[cluster_of(np.int64(targets[row]), cutoffs)] += 1
    total = np.int64(0)
    for cluster in range(starts.size - 1, -1, -1):
        size = starts[cluster]
        starts[cluster] = total
        total += size


@inner_kernel
def rewind(starts):
    """From where each cluster's rows end, after filling, back to where they start."""
    for cluster in range(starts.size - 1):
        starts[cluster] = starts[cluster + 1]
    starts[starts.size - 1] = 0


@inner_kernel
def cluster_rows(starts, cluster, first, last):
    """The rows of a cluster (1, 2, ...) among the rows first to last."""
    return max(first, starts[cluster]), min(last, starts[cluster - 1])


@inner_kernel
def tail_layer(network, cluster):
    """The row of ``network.layers`` of a cluster's tail; its projection is the one before."""
    return network.depth + 2 * cluster - 1


@inner_kernel
def part_of(network, layer):
    """The part to which a row of ``network.layers`` belongs: the output layer, or a cluster's tail
    or projection."""
    return (layer - network.depth) // 2 + 1


@inner_kernel
def part_rows(starts, part, first, last):
    """The rows among first to last that have the logits of a part."""
    if part == 0:
        return first, last
    return cluster_rows(starts, part, first, last)


@inner_kernel
def output_of(network, part):
    """The row of ``network.layers`` whose outputs are the logits of a part."""
    return network.depth - 1 if part == 0 else tail_layer(network, part)


@inner_kernel
def part_logits(network, starts, rows, part):
    """Where the logits of a part begin: those of the head come first, of all rows, then those of
    the last cluster."""
    if part == 0:
        return np.int64(0)
    place = rows * network.layers[network.depth - 1, FAN_OUT]
    for before in range(network.cutoffs.size - 1, part, -1):
        place += (starts[before - 1] - starts[before]) * network.layers[
            tail_layer(network, before), FAN_OUT
        ]
    return place


@inner_kernel
def target_in(part, id, cutoffs):
    """Where an id stands among the outputs of the head (0: there its cluster may stand for it) or
    of its cluster (1, 2, ...)."""
    if part > 0:
        return id - cutoffs[part - 1]
    cluster = cluster_of(id, cutoffs)
    return id if cluster == 0 else cutoffs[0] + cluster - 1
