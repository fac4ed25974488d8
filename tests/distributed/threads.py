"""Ranks as threads of one process: what ranks compute, without MPI."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any


class _Arriving:
    def __init__(self, arrays: Any, box: queue.Queue[Any]) -> None:
        self._arrays, self._box = arrays, box

    def wait(self) -> None:
        for into, array in zip(self._arrays, self._box.get(timeout=60), strict=True):
            into[:] = array


class _All:
    def __init__(self, pending: list[_Arriving]) -> None:
        self._pending = pending

    def wait(self) -> None:
        for each in self._pending:
            each.wait()


class ThreadCommunicator:
    """One rank of several threads; ``team`` is what they share."""

    def __init__(self, rank: int, team: Team) -> None:
        self.rank, self.size, self._team = rank, team.size, team

    def swap(self, outgoing: Any, incoming: Any) -> _All:
        pending = []
        for other in range(self.size):
            if other != self.rank:
                copies = [array.copy() for array in outgoing[other]]
                self._team.boxes[self.rank, other].put(copies)
                box = self._team.boxes[other, self.rank]
                pending.append(_Arriving(incoming[other], box))
        return _All(pending)

    def gather(self, value: Any) -> list[Any]:
        self._team.values[self.rank] = value
        self._team.barrier.wait(timeout=120)
        values = list(self._team.values)
        self._team.barrier.wait(timeout=120)
        return values

    def lead(self, value: Any) -> Any:
        return self.gather(value)[0]

    def watched(self) -> Any:
        return nullcontext()

    def close(self) -> None:
        self.gather(None)


class Team:
    """What the ranks of a run share."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.barrier = threading.Barrier(size)
        self.values: list[Any] = [None] * size
        self.boxes: dict[tuple[int, int], queue.Queue[Any]] = {
            (a, b): queue.Queue() for a in range(size) for b in range(size)
        }


def on_ranks(size: int, work: Callable[[ThreadCommunicator], Any]) -> list[Any]:
    """Return what ``work`` returns on each of ``size`` ranks; raise what the first raised."""
    team = Team(size)
    results: list[Any] = [None] * size
    failures: dict[int, BaseException] = {}

    def run(rank: int) -> None:
        try:
            results[rank] = work(ThreadCommunicator(rank, team))
        except BaseException as error:
            failures[rank] = error
            team.barrier.abort()

    threads = [threading.Thread(target=run, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for error in failures.values():
        if not isinstance(error, threading.BrokenBarrierError):
            raise error
    if failures:
        raise failures[min(failures)]
    return results
