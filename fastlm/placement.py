"""Threads of a team that start together on processors of their own.

Linux often wakes a thread beside the one that woke it, and looks for an idle processor only at its
next tick: two threads shared one for up to 4 ms, while the other was idle (a call of 8 steps of the
character MLP, after a rest of 20 ms: 14 ms in place of 10).
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable

__all__ = ["Placement"]


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
