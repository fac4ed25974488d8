"""How is a file written whole or not at all, and what is said when it cannot be?

It is written beside its place, under a temporary name in the same folder, brought onto the disk,
and renamed. So what was there stays until the new file is safe, whenever the process or the machine
stops.
"""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import re
import secrets
import time
import zlib
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from fastlm.types import FilePath

__all__ = ["NewFile", "reason_of", "remove_stale", "replace_file", "unwritable"]

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
    """What an OSError says, or a ValueError (a NUL in the name)."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def unwritable(what: str, path: FilePath, error: Exception) -> str:
    """The line that says why ``what`` could not be written to ``path``, and what to do."""
    remedy = _REMEDIES.get(getattr(error, "errno", None) or 0, "name another file")
    if os.name == "nt" and isinstance(error, PermissionError):
        # There a file that is mapped into memory cannot be replaced.
        remedy = f"end what is using it, or {remedy}"
    return f"cannot write the {what} to {path}: {reason_of(error)}; {remedy}"


class NewFile:
    """A file that gets its name when it is complete; a context manager, which removes what is
    incomplete.

    path : where it is to be; through a symbolic link, which stays one

    Everything raises OSError, and ValueError for a NUL in the name: ``unwritable`` makes a line of
    them.
    """

    def __init__(self, path: FilePath) -> None:
        self._target = Path(os.path.realpath(os.fspath(path)))
        if self._target.exists() and not self._target.is_file():
            what = "a folder" if self._target.is_dir() else "not a regular file"
            raise FileExistsError(errno.EEXIST, f"it is {what}")
        self._temporary = self._target.with_name(
            f"{self._target.name}.tmp-{_this_host()}-{os.getpid()}-{secrets.token_hex(4)}"
        )

        _being_written.add(self._temporary.name)
        try:
            self._file = self._temporary.open("xb", buffering=0)
        except BaseException:
            _being_written.discard(self._temporary.name)
            raise
        _moment("created")

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
        # A raw file may write less than it is given.
        left = memoryview(data)
        while left:
            left = left[self._file.write(left) :]
        _moment("part written")

    def seek(self, offset: int) -> None:
        """Go on writing ``offset`` bytes behind the beginning."""
        self._file.seek(offset)

    def sync(self) -> None:
        """Bring what is written onto the disk; another thread may go on writing meanwhile."""
        os.fsync(self._file.fileno())

    def finish(self) -> None:
        """Bring it onto the disk and give it its name."""
        _moment("written")
        self.sync()
        self._file.close()
        _moment("synced")
        os.replace(self._temporary, self._target)
        _moment("renamed")
        _sync_folder(self._target.parent)
        _moment("done")

    def discard(self) -> None:
        """Remove it, unless it got its name."""
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self._temporary.unlink()
        _being_written.discard(self._temporary.name)


def replace_file(path: FilePath, parts: Iterable[bytes | memoryview]) -> None:
    """Put ``parts`` in the place of the file ``path``, whole or not at all, and onto the disk.

    Raises as ``NewFile`` does; then what was there is there still, and nothing else.
    """
    with NewFile(path) as new:
        for part in parts:
            new.write(part)
        new.finish()


def _moment(name: str) -> None:
    """Called between the steps of a write: where tests end the process."""


# Names of the temporary files that this process is writing.
_being_written: set[str] = set()


_TEMPORARY = re.compile(r"\.tmp-([0-9a-f]{8})-(\d+)-[0-9a-f]{8}")


_STALE_SECONDS = 24 * 3600.0


def remove_stale(target: FilePath) -> list[Path]:
    """Remove the temporary files of ``target`` whose writers were killed; returns what it removed.

    A writer on another computer, or in another container, cannot be seen: its file counts as left
    behind after a day.
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
    """Whether another process has this number. (This one may have that of a dead one: containers
    number theirs from 1.)"""
    if number == os.getpid():
        return False
    if os.name == "nt":
        return False  # a file that is open there cannot be removed
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
