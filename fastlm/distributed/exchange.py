"""The sum of a gradient over all ranks, in the order of one tree.

Each rank owns a part of every region: it receives that part of all ranks' nodes, adds them up as
the tree says, and sends the sum to all others. MPI's own ``Allreduce`` has an order that depends on
the number of ranks.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fastlm.distributed.communicator import Communicator, Pending
from fastlm.distributed.shards import Node, are_siblings, nodes_of, shards_of

__all__ = ["TreeSum"]

_LINE = 16  # floats; parts begin at whole cache lines of their region

Region = tuple[int, int]


class TreeSum:
    """Sums arrays over the ranks of a communicator.

    Attributes
    ----------
    seconds : float
        Time spent in ``start`` and ``finish`` so far.
    bytes_sent : int
        By this rank so far.
    """

    def __init__(self, communicator: Communicator) -> None:
        self._communicator = communicator
        size = communicator.size
        self._nodes = [nodes_of(shards_of(rank, size)) for rank in range(size)]
        self._received = np.empty(0, dtype=np.float32)
        self.seconds = 0.0
        self.bytes_sent = 0

    def start(self, sums: NDArray[np.float32], regions: Sequence[Region]) -> _Running:
        """Start to sum ``regions`` (start, stop) of the nodes sums[0], sums[1], ... of this rank.

        sums : float32[nodes or more, n]; may not be written to before ``finish`` returns
        """
        started = time.perf_counter()
        me, size = self._communicator.rank, self._communicator.size
        parts = [[_part(region, rank, size) for region in regions] for rank in range(size)]
        nodes = range(len(self._nodes[me]))
        outgoing = [
            [] if rank == me else [sums[node, a:b] for node in nodes for a, b in parts[rank]]
            for rank in range(size)
        ]
        mine = sum(b - a for a, b in parts[me])
        needed = mine * sum(map(len, self._nodes))
        if self._received.size < needed:
            self._received = np.empty(needed, dtype=np.float32)
        incoming: list[list[NDArray[np.float32]]] = []
        at = 0
        for rank in range(size):
            arrays = []
            for _ in self._nodes[rank] if rank != me else ():
                for a, b in parts[me]:
                    arrays.append(self._received[at : at + b - a])
                    at += b - a
            incoming.append(arrays)
        pending = self._swap(outgoing, incoming)
        self.seconds += time.perf_counter() - started
        return _Running(sums, parts, incoming, pending)

    def finish(self, running: _Running) -> None:
        """Wait, and leave the sum over all ranks in the regions of sums[0]."""
        started = time.perf_counter()
        me, size = self._communicator.rank, self._communicator.size
        running.pending.wait()
        sums, parts = running.sums, running.parts
        for number, (a, b) in enumerate(parts[me]):
            stack: list[tuple[Node, NDArray[np.float32]]] = []
            for rank in range(size):
                for index, node in enumerate(self._nodes[rank]):
                    if rank == me:
                        array = sums[index, a:b]
                    else:
                        array = running.incoming[rank][index * len(parts[me]) + number]
                    stack.append((node, array))
                    _add_siblings(stack)
            ((_, total),) = stack
            if total.size and total.ctypes.data != sums[0, a:b].ctypes.data:
                sums[0, a:b] = total
        others = [rank for rank in range(size) if rank != me]
        out = [[sums[0, a:b] for a, b in parts[me]] if r in others else [] for r in range(size)]
        into = [[sums[0, a:b] for a, b in parts[r]] if r in others else [] for r in range(size)]
        self._swap(out, into).wait()
        self.seconds += time.perf_counter() - started

    def _swap(
        self,
        outgoing: list[list[NDArray[np.float32]]],
        incoming: list[list[NDArray[np.float32]]],
    ) -> Pending:
        self.bytes_sent += sum(array.nbytes for arrays in outgoing for array in arrays)
        return self._communicator.swap(outgoing, incoming)


class _Running:
    """A sum on its way."""

    def __init__(
        self,
        sums: NDArray[np.float32],
        parts: list[list[Region]],
        incoming: list[list[NDArray[np.float32]]],
        pending: Pending,
    ) -> None:
        self.sums = sums
        self.parts = parts
        self.incoming = incoming
        self.pending = pending


def _part(region: Region, rank: int, size: int) -> Region:
    """Return the part of a region that a rank owns."""
    start, stop = region
    lines = -(-(stop - start) // _LINE)
    cuts = (lines * rank // size, lines * (rank + 1) // size)
    low, high = (min(stop, start + cut * _LINE) for cut in cuts)
    return low, high


def _add_siblings(stack: list[tuple[Node, NDArray[np.float32]]]) -> None:
    while len(stack) > 1 and are_siblings(stack[-2][0], stack[-1][0]):
        node, right = stack.pop()
        first, left = stack[-1]
        left += right
        stack[-1] = Node(first.first, 2 * node.size), left
