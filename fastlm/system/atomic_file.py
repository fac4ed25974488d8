"""Atomic file writes: temporary file, fsync, rename.

The temporary file lies in the same folder. What was there stays until the new file is on the disk,
whenever the process or the machine stops.
"""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import re
import secrets
import stat
import time
import zlib
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from fastlm.types import FilePath

__all__ = ["NewFile", "reason_of", "remove_stale", "replace_file", "sync_file", "unwritable"]

_REMEDIES = {
    errno.ENOSPC: "free some space or name another disk",
    errno.EDQUOT: "free some of your quota or name another disk",
    errno.EFBIG: "allow larger files (ulimit -f) or name another disk",
    errno.ENOENT: "make the folder first or name another one",
    errno.ENOTDIR: "name a folder in place of the file in that path",
    errno.EACCES: "name a folder that you may write to",
    errno.EPERM: "name a folder that you may write to",
    errno.EROFS: "name a folder that you may write to",
    errno.ENAMETOOLONG: "give it a shorter name",
    errno.EEXIST: "name a file",
}


def reason_of(error: Exception) -> str:
    """Return what an OSError says, or a ValueError (a NUL in the name)."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def unwritable(what: str, path: FilePath, error: Exception) -> str:
    """Return the line that says why a file could not be written, and what to do.

    Parameters
    ----------
    what : str
        What the file would hold, such as "model".
    path : path
    error : Exception
        What `NewFile` or `replace_file` raised.
    """
    remedy = _REMEDIES.get(getattr(error, "errno", None) or 0, "name another file")
    if os.name == "nt" and isinstance(error, PermissionError):
        # Windows does not replace a file that is mapped into memory.
        remedy = f"end what is using it, or {remedy}"
    return f"cannot write the {what} to {path}: {reason_of(error)}; {remedy}"


class NewFile:
    """A file that gets its name when it is complete; as a context manager it removes the rest.

    Parameters
    ----------
    path : path
        Where it is to be; a symbolic link stays one, and a file that is there gives its mode.
        What killed writers of it left is removed.
    mode : int
        Permission bits that it may have at most; the umask takes more away.

    Raises
    ------
    OSError, ValueError
        From all methods; ValueError for a NUL in the name. `unwritable` makes a line of them.
    """

    def __init__(self, path: FilePath, mode: int = 0o666) -> None:
        self._target = Path(os.path.realpath(os.fspath(path)))
        if self._target.exists() and not self._target.is_file():
            what = "a folder" if self._target.is_dir() else "not a regular file"
            raise FileExistsError(errno.EEXIST, f"it is {what}")
        self._temporary = self._target.with_name(
            f"{self._target.name}.tmp-{_this_host()}-{os.getpid()}-{secrets.token_hex(4)}"
        )
        remove_stale(self._target)
        _being_written.add(self._temporary.name)
        try:
            self._file = open(  # noqa: SIM115
                self._temporary, "xb", buffering=0, opener=partial(os.open, mode=mode)
            )
            self._keep_mode(mode)
        except BaseException:
            _being_written.discard(self._temporary.name)
            raise

    def _keep_mode(self, most: int) -> None:
        """Make the file as readable as the one whose place it takes, before it holds anything."""
        if os.name == "nt" or not self._target.exists():
            return
        with contextlib.suppress(OSError):  # some file systems have no modes
            mode = stat.S_IMODE(self._target.stat().st_mode)
            os.fchmod(self._file.fileno(), mode & (most | ~0o666))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.discard()

    def write(self, data: bytes | memoryview) -> None:
        """Write all of `data`."""
        # A raw file may write less than it is given.
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]

    def seek(self, offset: int) -> None:
        """Continue at `offset` bytes from the beginning."""
        self._file.seek(offset)

    def sync(self) -> None:
        """Bring what is written onto the disk; another thread may write meanwhile."""
        sync_file(self._file.fileno())

    def finish(self) -> None:
        """Bring the file onto the disk and give it its name."""
        self.sync()
        self._file.close()
        os.replace(self._temporary, self._target)
        _sync_folder(self._target.parent)

    def discard(self) -> None:
        """Remove the file, unless it got its name."""
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self._temporary.unlink()
        _being_written.discard(self._temporary.name)


# What file systems and devices answer that cannot sync, or need not.
_NO_SYNC = {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}


def sync_file(descriptor: int) -> None:
    """Bring an open file onto the disk, where its file system has a way to; raise OSError."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise


def replace_file(path: FilePath, parts: Iterable[bytes | memoryview]) -> None:
    """Write a file of these parts, whole or not at all, and onto the disk.

    Parameters
    ----------
    path : path
    parts : iterable of bytes or memoryview

    Raises
    ------
    OSError, ValueError
        As `NewFile`; then what was there is there still, and nothing else.
    """
    with NewFile(path) as new:
        for part in parts:
            new.write(part)
        new.finish()


# Names of the temporary files that this process is writing.
_being_written: set[str] = set()

# What the name of a temporary file has after that of its target: host, process, random.
_TEMPORARY = re.compile(r"\.tmp-([0-9a-f]{8})-(\d+)-[0-9a-f]{8}")

# Seconds after which the file of a writer that cannot be asked counts as left.
_STALE_SECONDS = 24 * 3600.0


def remove_stale(target: FilePath) -> list[Path]:
    """Remove the temporary files of a target whose writers were killed.

    A writer on another computer, or in another container, cannot be seen: its file is removed a
    day after its last write.

    Returns
    -------
    list of Path
        What was removed.
    """
    target = Path(os.path.realpath(os.fspath(target)))
    removed = []
    try:
        names = os.listdir(target.parent)
    except OSError:
        return []
    for name in names:
        found = (
            _TEMPORARY.fullmatch(name, len(target.name)) if name.startswith(target.name) else None
        )
        if found is None or name in _being_written:
            continue
        path = target.with_name(name)
        with contextlib.suppress(OSError):
            old = time.time() - path.stat().st_mtime > _STALE_SECONDS
            if old or (found[1] == _this_host() and not _other_process(int(found[2]))):
                path.unlink()
                removed.append(path)
    return removed


def _this_host() -> str:
    return f"{zlib.crc32(platform.node().encode()):08x}"


def _other_process(number: int) -> bool:
    """Tell whether another process has this number.

    This process may have the number of a dead one: containers number theirs from 1.
    """
    # On Windows a file that is open cannot be removed.
    if number == os.getpid() or os.name == "nt":
        return False
    try:
        os.kill(number, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def _sync_folder(folder: Path) -> None:
    """Make the new name outlive a power cut, where the platform has a way to (Windows has none)."""
    if os.name == "nt":
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
