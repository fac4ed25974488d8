"""A lock on a name that ends with the process that holds it."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from fastlm.types import FilePath

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["FileLock"]


class FileLock:
    """A lock by a file of its own, which is removed at the end; as a context manager.

    The operating system frees the lock of a process that dies. Where a file system has no locks, or
    the file cannot be made, ``acquire`` succeeds all the same: the lock guards against mistakes.
    """

    def __init__(self, path: FilePath) -> None:
        self.path = Path(path)
        self._descriptor: int | None = None

    def acquire(self) -> bool:
        """Take the lock without waiting; return False if another process or lock holds it."""
        while True:
            try:
                descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
            except (OSError, ValueError):
                return True
            try:
                _lock(descriptor)
            except (BlockingIOError, PermissionError):
                os.close(descriptor)
                return False
            except OSError:
                os.close(descriptor)
                return True
            if self._is_named(descriptor):
                self._descriptor = descriptor
                return True
            os.close(descriptor)  # its last holder has just removed it

    def _is_named(self, descriptor: int) -> bool:
        """Whether the file still has its name."""
        try:
            return os.path.samestat(os.fstat(descriptor), os.stat(self.path))
        except OSError:
            return False

    def release(self) -> None:
        """Free the lock and remove its file; nothing if it is not held."""
        if self._descriptor is None:
            return
        if os.name == "nt":  # an open file cannot be removed
            os.close(self._descriptor)
        with contextlib.suppress(OSError):
            self.path.unlink()
        if os.name != "nt":
            os.close(self._descriptor)
        self._descriptor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
