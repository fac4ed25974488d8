"""Work on a stream of jobs with a few threads: results in order, memory bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Generic, TypeVar

__all__ = ["WorkerState", "in_order"]

Job = TypeVar("Job")
Result = TypeVar("Result")
State = TypeVar("State")


def in_order(work: Callable[[Job], Result], jobs: Iterable[Job], threads: int) -> Iterator[Result]:
    """Yield ``work(job)`` for each job, in their order.

    At most threads + 2 jobs are under way, so that jobs are made no faster than they are done.
    What ``work`` raises is raised here; jobs that wait are then dropped.
    """
    with ThreadPoolExecutor(threads, thread_name_prefix="fastlm-prepare") as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for job in jobs:
                waiting.append(pool.submit(work, job))
                if len(waiting) >= threads + 2:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


class WorkerState(Generic[State]):
    """Objects that one thread at a time may use; as many are made as are used at once."""

    def __init__(self, make: Callable[[], State]) -> None:
        self._make = make
        self._free: list[State] = []
        self.all: list[State] = []

    @contextmanager
    def one(self) -> Iterator[State]:
        try:
            state = self._free.pop()
        except IndexError:
            state = self._make()
            self.all.append(state)
        try:
            yield state
        finally:
            self._free.append(state)
