"""Which rank has which shards, and the nodes of the tree that they add up to."""

from __future__ import annotations

from itertools import pairwise

import pytest

from fastlm.config import TrainingConfig
from fastlm.distributed.shards import (
    SHARDS,
    Node,
    are_siblings,
    check_batch,
    check_ranks,
    levels_of,
    nodes_of,
    shards_of,
)
from fastlm.errors import ConfigError
from fastlm.wording import as_options


@pytest.mark.parametrize("size", range(1, SHARDS + 1))
def test_ranks_share_all_shards_evenly(size):
    dealt = [shards_of(rank, size) for rank in range(size)]
    assert [shard for shards in dealt for shard in shards] == list(range(SHARDS))
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 1


@pytest.mark.parametrize("size", range(1, SHARDS + 1))
def test_nodes_are_halves_of_one_tree(size):
    stack = []
    for rank in range(size):
        nodes = nodes_of(shards_of(rank, size))
        assert sum(node.size for node in nodes) == len(shards_of(rank, size))
        assert not any(are_siblings(*pair) for pair in pairwise(nodes))
        for node in nodes:
            assert node.first % node.size == 0
            stack.append(node)
            while len(stack) > 1 and are_siblings(stack[-2], stack[-1]):
                stack.pop()
                stack[-1] = Node(stack[-1].first, 2 * stack[-1].size)
    assert stack == [Node(0, SHARDS)]


def test_nodes_by_hand():
    assert nodes_of(range(0, 8)) == [(0, 8)]
    assert nodes_of(range(0, 3)) == [(0, 2), (2, 1)]
    assert nodes_of(range(3, 6)) == [(3, 1), (4, 2)]
    assert nodes_of(range(2, 4)) == [(2, 2)]
    assert [levels_of(range(0, n)) for n in (1, 2, 4, 8)] == [1, 2, 3, 4]
    assert levels_of(range(3, 8)) == 4


def test_a_batch_that_shards_do_not_divide():
    check_batch(TrainingConfig(batch=64))
    with pytest.raises(ConfigError, match=r"batch is 100, .*give batch 96 or 104$"):
        check_batch(TrainingConfig(batch=100))
    with as_options(), pytest.raises(ConfigError, match=r"batch is 3, .*give --batch 8$"):
        check_batch(TrainingConfig(batch=3))


def test_more_ranks_than_shards():
    check_ranks(SHARDS)
    with pytest.raises(ConfigError, match="there are 9 ranks, but a batch has 8 shards"):
        check_ranks(9)
