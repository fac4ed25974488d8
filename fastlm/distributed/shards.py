"""The virtual shards of a batch: which rank computes which, and the tree that adds them up.

The tree is binary and the same for any number of ranks: shard 0 with 1, 2 with 3, ..., then pairs
of these. A rank has neighbouring shards, and adds up what is whole in them: its nodes.
"""

from __future__ import annotations

from typing import NamedTuple

from fastlm.config import TrainingConfig
from fastlm.errors import ConfigError
from fastlm.wording import setting

__all__ = ["SHARDS", "Node", "check_batch", "check_ranks", "levels_of", "nodes_of", "shards_of"]

SHARDS = 8
"""The shards of a batch, and the most ranks of a run."""


class Node(NamedTuple):
    """A node of the tree: the sum of ``size`` shards, a power of two, from ``first`` on."""

    first: int
    size: int


def check_batch(training: TrainingConfig) -> None:
    """Raise ConfigError for a batch that the shards do not divide."""
    batch = training.batch
    if batch % SHARDS:
        near = " or ".join(
            str(each) for each in (batch // SHARDS * SHARDS, -(-batch // SHARDS) * SHARDS) if each
        )
        raise ConfigError(
            f"batch is {batch}, which the {SHARDS} shards of a distributed step do not divide; "
            f"give {setting('batch')} {near}"
        )


def check_ranks(size: int) -> None:
    """Raise ConfigError for more ranks than shards."""
    if size > SHARDS:
        raise ConfigError(
            f"there are {size} ranks, but a batch has {SHARDS} shards; start at most {SHARDS}, "
            f"and give each more {setting('threads')}"
        )


def shards_of(rank: int, size: int) -> range:
    """Return the shards of a rank."""
    return range(SHARDS * rank // size, SHARDS * (rank + 1) // size)


def nodes_of(shards: range) -> list[Node]:
    """Return the nodes that neighbouring shards add up to, as few as there can be, in order."""
    return _added(shards)[0]


def levels_of(shards: range) -> int:
    """Return how many sums are kept at once while shards are added up."""
    return _added(shards)[1]


def _added(shards: range) -> tuple[list[Node], int]:
    stack: list[Node] = []
    most = 0
    for shard in shards:
        stack.append(Node(shard, 1))
        most = max(most, len(stack))
        while len(stack) > 1 and are_siblings(stack[-2], stack[-1]):
            right = stack.pop()
            stack[-1] = Node(stack[-1].first, 2 * right.size)
    return stack, most


def are_siblings(left: Node, right: Node) -> bool:
    """Return whether two neighbouring nodes are the halves of a node."""
    return left.size == right.size and left.first % (2 * left.size) == 0
