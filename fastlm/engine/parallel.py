"""Running one kernel call on several threads, each on a processor of its own."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm_kernels.runtime.jit import JIT_DISABLED
from fastlm_kernels.runtime.scheduler import OFF_CPU, PRIVATE_SIZE, SHARED_SIZE, STOP, Worker

__all__ = ["Placement", "run_parallel"]


def run_parallel(
    threads: int,
    kernel: Callable[..., Any],
    arguments: Callable[[int, Worker], Sequence[Any]],
    private: NDArray[np.int64] | None = None,
) -> None:
    """Run ``kernel(*arguments(i, worker))`` for i = 0 .. threads - 1 at once.

    The first call runs in the calling thread. With JIT off there is one call only.

    Parameters
    ----------
    threads : int
        The number of calls.
    kernel : callable
        A kernel that takes its tiles with ``scheduler.next_tile``.
    arguments : callable
        Returns the arguments of call i; its Worker holds the counters of the scheduler.
    private : int64[threads or more, PRIVATE_SIZE], optional
        What the scheduler remembers of each thread from call to call.

    Raises
    ------
    BaseException
        The first exception of any thread; it stops the others at their next tile.
    """
    shared = np.zeros(SHARED_SIZE, dtype=np.int64)
    if private is None:
        private = np.zeros((threads, PRIVATE_SIZE), dtype=np.int64)
    private[:, OFF_CPU] = 0  # other threads of the system than in the call before
    if JIT_DISABLED:
        threads = 1  # no atomics in plain Python
    failures: list[BaseException] = []
    placement = Placement()

    def work(index: int) -> None:
        try:
            if threads > 1:
                placement.move_to_free_processor()
            # With JIT off, NumPy scalars warn where unsigned arithmetic wraps around on purpose.
            with np.errstate(over="ignore"):
                kernel(*arguments(index, Worker(shared, private[index])))
        except BaseException as error:
            shared[STOP] = 1
            failures.append(error)

    helpers = [
        threading.Thread(target=work, args=(index,), name=f"fastlm-{index}", daemon=True)
        for index in range(1, threads)
    ]
    try:
        for helper in helpers:
            helper.start()
        work(0)
    finally:
        # An interrupt must not leave threads that still write to the arrays.
        for helper in helpers:
            if helper.ident is not None:
                helper.join()
    if failures:
        raise failures[0]


def _processor_reader() -> Callable[[], int] | None:
    """Return a function that reads the calling thread's processor, or None without support."""
    if sys.platform != "linux":
        return None
    try:
        read: Callable[[], int] = ctypes.PyDLL(None).sched_getcpu
    except (OSError, AttributeError):  # a C library without it
        return None
    return read


_current_processor = _processor_reader()


class Placement:
    """The processors that the threads of one call have taken.

    Spreading the threads took a short training call from 14 to 10 ms. Afterwards the operating
    system may move them as before.
    """

    def __init__(self) -> None:
        self._taken: set[int] = set()

    def move_to_free_processor(self) -> None:
        """Move the calling thread if its processor is taken and another allowed one is free.

        Called once by each thread when it begins, with the GIL held.
        """
        if _current_processor is None:
            return
        here = _current_processor()
        if here in self._taken:
            try:
                allowed = os.sched_getaffinity(0)
                free = allowed - self._taken
                if free:
                    os.sched_setaffinity(0, free)
                    try:
                        here = _current_processor()
                    finally:
                        os.sched_setaffinity(0, allowed)
            except OSError:  # a sandbox that forbids it, or processors that have just gone
                return
        self._taken.add(here)
