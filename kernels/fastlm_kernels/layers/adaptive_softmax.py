"""The clusters of an adaptive softmax: their ids, and their rows of a batch.

After Grave et al. 2017, "Efficient softmax approximation for GPUs", section 4: the head holds the
frequent ids and one output per cluster; each cluster has a projection and a tail of its own.
Part 0 of the output is the head, parts 1, 2, ... are the clusters.
"""

from __future__ import annotations

import numpy as np

from fastlm_kernels.runtime.arguments import FAN_OUT
from fastlm_kernels.runtime.jit import inner_kernel


@inner_kernel
def cluster_of(id, cutoffs):
    """Return the cluster of an id; 0 is the head."""
    cluster = np.int64(0)
    while cluster + 1 < cutoffs.size and id >= cutoffs[cluster]:
        cluster += 1
    return cluster


@inner_kernel
def count_clusters(starts, targets, rows, cutoffs):
    """Count the first row of each cluster, the rows of the last cluster coming first.

    starts : int64[clusters + 1], written
    targets : int32[rows]
    """
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
def restore_starts(starts):
    """Turn the end of each cluster's rows, as filling leaves it, back into the start."""
    for cluster in range(starts.size - 1):
        starts[cluster] = starts[cluster + 1]
    starts[starts.size - 1] = 0


@inner_kernel
def cluster_rows(starts, cluster, first, last):
    """Return (low, high): the rows of a cluster (1, 2, ...) among the rows first to last."""
    return max(first, starts[cluster]), min(last, starts[cluster - 1])


@inner_kernel
def tail_layer(network, cluster):
    """Return the row of ``network.layers`` of a cluster's tail; its projection is one before."""
    return network.depth + 2 * cluster - 1


@inner_kernel
def part_of(network, layer):
    """Return the part of a row of ``network.layers``: output layer, projection or tail."""
    return (layer - network.depth) // 2 + 1


@inner_kernel
def part_rows(starts, part, first, last):
    """Return (low, high): the rows among first to last that have the logits of a part."""
    if part == 0:
        return first, last
    return cluster_rows(starts, part, first, last)


@inner_kernel
def output_of(network, part):
    """Return the row of ``network.layers`` whose outputs are the logits of a part."""
    return network.depth - 1 if part == 0 else tail_layer(network, part)


@inner_kernel
def part_logits(network, starts, rows, part):
    """Return the offset of a part's logits: the head's of all rows, the last cluster's, and on."""
    if part == 0:
        return np.int64(0)
    offset = rows * network.layers[network.depth - 1, FAN_OUT]
    for before in range(network.cutoffs.size - 1, part, -1):
        offset += (starts[before - 1] - starts[before]) * network.layers[
            tail_layer(network, before), FAN_OUT
        ]
    return offset


@inner_kernel
def target_column(part, id, cutoffs):
    """Return the column of an id in a part; in the head its cluster's column may stand for it."""
    if part > 0:
        return id - cutoffs[part - 1]
    cluster = cluster_of(id, cutoffs)
    return id if cluster == 0 else cutoffs[0] + cluster - 1
