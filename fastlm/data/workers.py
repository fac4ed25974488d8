"""Work on a stream of jobs with a few threads: results in order, memory bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Generic, TypeVar

__all__ = ["ObjectPool", "map_in_order", "prefetch"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_order(
    work: Callable[[Item], Result], items: Iterable[Item], threads: int
) -> Iterator[Result]:
    """Yield ``work(item)`` for each item, in their order.

    At most threads + 2 items are under way: items are made no faster than they are worked on.
    What ``work`` raises is raised here, and items that wait are dropped.
    """
    with ThreadPoolExecutor(threads, thread_name_prefix="fastlm-prepare") as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) >= threads + 2:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def prefetch(items: Iterator[Item], size: int, size_of: Callable[[Item], int]) -> Iterator[Item]:
    """Yield the items; a thread makes them in groups, of ``size`` in all, one group ahead.

    What making them raises is raised here, after the items that were made before.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="fastlm-read") as pool:
        made = pool.submit(_make_group, items, size, size_of)
        while True:
            group, error = made.result()
            if error is not None or not group:
                break
            made = pool.submit(_make_group, items, size, size_of)
            yield from group
    yield from group
    if error is not None:
        raise error


def _make_group(
    items: Iterator[Item], size: int, size_of: Callable[[Item], int]
) -> tuple[list[Item], Exception | None]:
    group: list[Item] = []
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


class ObjectPool(Generic[Item]):
    """Objects that one thread at a time may use; as many are made as are used at once.

    all : those that were made
    """

    def __init__(self, make: Callable[[], Item]) -> None:
        self._make = make
        self._free: list[Item] = []
        self.all: list[Item] = []

    @contextmanager
    def borrow(self) -> Iterator[Item]:
        """Lend an object that no other thread has."""
        try:
            item = self._free.pop()
        except IndexError:
            item = self._make()
            self.all.append(item)
        try:
            yield item
        finally:
            self._free.append(item)
