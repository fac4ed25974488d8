"""The adaptive softmax: gradients against the oracle, and the bookkeeping of its clusters."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm_kernels.layers.adaptive_softmax import (
    cluster_of,
    count_clusters,
    part_rows,
    restore_starts,
    target_column,
)
from fastlm_kernels.runtime.jit import kernel
from tests.oracle_runs import BATCHES, EXTRAS, NO_JIT, check_gradient


@pytest.mark.parametrize("extra", EXTRAS[2:], ids=str)
@pytest.mark.parametrize("dropouts", [(0.0, 0.0), (0.4, 0.3)])
@pytest.mark.parametrize("batch_and_boundary", BATCHES[1:] if NO_JIT else BATCHES)
@pytest.mark.parametrize("hidden", [(), (7, 5)])
def test_gradient_with_an_adaptive_softmax(extra, dropouts, batch_and_boundary, hidden):
    check_gradient({"hidden": hidden, **extra}, dropouts, batch_and_boundary)


@kernel
def look_up(found, ids, cutoffs):
    for i in range(ids.size):
        cluster = cluster_of(ids[i], cutoffs)
        found[0, i] = cluster
        found[1, i] = target_column(np.int64(0), ids[i], cutoffs)
        found[2, i] = target_column(cluster, ids[i], cutoffs)


def test_columns_of_ids():
    """V = 9 with cut-offs 3 and 5: the head holds ids 0 to 2, and a column for each cluster."""
    found = np.empty((3, 9), dtype=np.int64)
    look_up(found, np.arange(9), np.array([3, 5, 9]))
    assert found[0].tolist() == [0, 0, 0, 1, 1, 2, 2, 2, 2]
    assert found[1].tolist() == [0, 1, 2, 3, 3, 4, 4, 4, 4]
    assert found[2].tolist() == [0, 1, 2, 0, 1, 0, 1, 2, 3]


@kernel
def group_rows(starts, order, bounds, targets, cutoffs, first, last):
    count_clusters(starts, targets, targets.size, cutoffs)
    for row in range(targets.size):
        cluster = cluster_of(np.int64(targets[row]), cutoffs)
        order[starts[cluster]] = row
        starts[cluster] += 1
    restore_starts(starts)
    for part in range(starts.size):
        bounds[part, 0], bounds[part, 1] = part_rows(starts, part, first, last)


def test_rows_of_clusters():
    targets = np.array([4, 0, 8, 3, 5, 1, 2, 7], dtype=np.int32)
    starts, order = np.full(3, -1), np.full(8, -1)
    bounds = np.empty((3, 2), dtype=np.int64)
    group_rows(starts, order, bounds, targets, np.array([3, 5, 9]), 1, 8)
    assert targets[order].tolist() == [8, 5, 7, 4, 3, 0, 1, 2]  # the last cluster first
    assert starts.tolist() == [5, 3, 0]
    # Of the rows 1 to 8: all have the head's logits, three less one the last cluster's.
    assert bounds.tolist() == [[1, 8], [3, 5], [1, 3]]
