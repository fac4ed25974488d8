"""Running one kernel on several threads, each on a processor of its own."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from fastlm_kernels.runtime.scheduler import Team

__all__ = ["Placement", "run_team"]


def run_team(
    threads: int,
    call: Callable[..., Any],
    arguments: Callable[[int, Team], Sequence[Any]],
    own: NDArray[np.int64] | None = None,
) -> None:
    """Run ``call(*arguments(i, team))`` for i = 0 .. threads - 1 at once; i = 0 in this thread.

    team : the ticket counter that the calls share, and what each thread knows of itself
    own : int64[threads or more, OWN_SIZE], what they knew after the call before; None: nothing
    An exception in any of them stops all at their next tile and is raised here.
    """
    # Not at the top: preparing text counts threads, and may do without Numba.
    from fastlm_kernels.runtime.jit import JIT_DISABLED
    from fastlm_kernels.runtime.scheduler import AWAY, OWN_SIZE, STOP, SYNC_SIZE, Team

    sync = np.zeros(SYNC_SIZE, dtype=np.int64)
    if own is None:
        own = np.zeros((threads, OWN_SIZE), dtype=np.int64)
    own[:, AWAY] = 0  # other threads of the system than in the call before
    if JIT_DISABLED:
        threads = 1  # no atomics in plain Python
    failures: list[BaseException] = []
    placement = Placement()

    def work(index: int) -> None:
        try:
            if threads > 1:
                placement.settle()
            # NumPy scalars warn where unsigned kernel arithmetic wraps around on purpose; that is
            # only met with JIT off.
            with np.errstate(over="ignore"):
                call(*arguments(index, Team(sync, own[index])))
        except BaseException as error:
            sync[STOP] = 1
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
        # Whatever interrupts this must not leave threads behind that write to arrays.
        for helper in helpers:
            if helper.ident is not None:
                helper.join()
    if failures:
        raise failures[0]


def _reader() -> Callable[[], int] | None:
    """Reads on which processor the calling thread runs, or there is no telling or no moving."""
    if sys.platform != "linux":
        return None
    try:
        read: Callable[[], int] = ctypes.PyDLL(None).sched_getcpu
    except (OSError, AttributeError):  # a C library without it
        return None
    return read


_READ = _reader()


class Placement:
    """Where the threads of one team are. Whoever comes to a processor where another one is already
    moves to one that is left, if the thread may run there; afterwards the operating system may
    move it as before."""

    def __init__(self) -> None:
        self._taken: set[int] = set()

    def settle(self) -> None:
        """Called by each thread of the team when it begins, with the GIL."""
        if _READ is None:
            return
        here = _READ()
        if here in self._taken:
            try:
                allowed = os.sched_getaffinity(0)
                left = allowed - self._taken
                if left:
                    os.sched_setaffinity(0, left)
                    try:
                        here = _READ()
                    finally:
                        os.sched_setaffinity(0, allowed)
            except OSError:  # a sandbox that forbids it, or processors that have just gone
                return
        self._taken.add(here)
