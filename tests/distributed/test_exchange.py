"""Sums over ranks: the order of one tree, whatever the number of ranks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.distributed.exchange import TreeSum
from fastlm.distributed.shards import SHARDS, levels_of, nodes_of, shards_of
from tests.distributed.threads import on_ranks


def tree(shards):
    """The sum by halves, the obvious way."""
    if len(shards) == 1:
        return shards[0]
    half = len(shards) // 2
    return tree(shards[:half]) + tree(shards[half:])


def summed(size, shards, regions):
    """What each rank has in sums[0] after the exchange, and the bytes that it sent."""

    def work(communicator):
        own = shards_of(communicator.rank, size)
        sums = np.zeros((levels_of(own), shards.shape[1]), dtype=np.float32)
        for level, node in enumerate(nodes_of(own)):
            sums[level] = tree(shards[node.first : node.first + node.size])
        exchange = TreeSum(communicator)
        exchange.finish(exchange.start(sums, regions))
        return sums[0], exchange.bytes_sent

    return on_ranks(size, work)


@settings(max_examples=30, deadline=None)
@given(size=st.integers(1, SHARDS), cuts=st.lists(st.integers(0, 100), min_size=4, max_size=4))
def test_every_rank_has_the_sum_by_the_tree(size, cuts):
    shards = np.random.default_rng(1).normal(size=(SHARDS, 100)).astype(np.float32)
    shards *= np.float32(10) ** np.arange(SHARDS, dtype=np.float32)[:, None]  # the order matters
    a, b, c, d = sorted(cuts)
    expected = tree(shards)
    for total, _ in summed(size, shards, [(a, b), (c, d)]):
        for region in (slice(a, b), slice(c, d)):
            assert total[region].tobytes() == expected[region].tobytes()


def test_the_order_of_the_test_matters():
    shards = np.random.default_rng(1).normal(size=(SHARDS, 100)).astype(np.float32)
    in_a_row = shards[0].copy()
    for shard in shards[1:]:
        in_a_row += shard
    assert in_a_row.tobytes() != tree(shards).tobytes()


@pytest.mark.parametrize(("size", "times"), [(1, 0), (2, 1), (4, 1.5), (8, 1.75)])
def test_bytes_sent(size, times):
    """A part of the nodes to each owner, and the sum of the own part to all: 2 (N - 1) / N."""
    shards = np.ones((SHARDS, 1024), dtype=np.float32)
    assert [sent for _, sent in summed(size, shards, [(0, 1024)])] == [times * 4096] * size
