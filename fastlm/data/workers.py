"""Work on a stream of jobs with a few threads: results in order, memory bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Generic, TypeVar

__all__ = ["WorkerState", "in_order", "read_ahead"]

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


def read_ahead(items: Iterator[Job], size: int, size_of: Callable[[Job], int]) -> Iterator[Job]:
    """Yield the items; a thread makes them in groups, of ``size`` in all, one group in advance.

    What making them raises is raised here, behind the items that were made before.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="fastlm-read") as pool:
        made = pool.submit(_group, items, size, size_of)
        while True:
            group, error = made.result()
            if error is not None or not group:
                break
            made = pool.submit(_group, items, size, size_of)
            yield from group
    yield from group
    if error is not None:
        raise error


def _group(
    items: Iterator[Job], size: int, size_of: Callable[[Job], int]
) -> tuple[list[Job], Exception | None]:
    group: list[Job] = []
    left = size
    try:
        for item in items:
            group.append(item)
            left -= size_of(item)
            if left <= 0:
                break
    except Exception as error:
        return group, error
    return group, None


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
