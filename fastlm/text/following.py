"""A file that others write to, read as it grows: rotated, cut short or made anew."""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from typing import BinaryIO

from fastlm.checks import short_name
from fastlm.errors import CorpusError
from fastlm.text.compression import is_compressed
from fastlm.text.decoding import Reading
from fastlm.text.sources import STDIN, ByteInput
from fastlm.text.tables import is_table
from fastlm.types import FilePath
from fastlm.wording import setting

__all__ = ["FollowedInput"]

# Seconds between two looks at the file.
_LOOK_SECONDS = 0.2
# Seconds that a rotated file is still read: its writer may take a moment to open the new one.
_LINGER_SECONDS = 5.0
# Bytes of the file that are read to begin with: its last ones.
_HISTORY_BYTES = 4 << 20
_TAKEN = 1 << 16
# Bytes of a line without an end that are held back.
_MOST_HELD = 1 << 20
# Bytes before the place of reading that are compared: others mean that the file was written anew.
_MARK_BYTES = 64


class FollowedInput(ByteInput):
    r"""The lines of a file, and then those that are added to it, without end.

    The file is found by its name, so that it may be renamed and made anew (a rotation): the old one
    is read to its end, and five seconds longer, then the new one from its beginning. A file that
    was cut short is read from its beginning. A line counts once its line end is there; the last
    one of a file that was rotated or cut short counts as it is.

    Parameters
    ----------
    path : path
        A file of text, or of JSON lines. It need not be there yet; its folder must.
    reading : Reading
    tell : callable, optional
        Is told in a line what happens to the file.
    history : int
        Bytes at its end that are read to begin with, from the next line on.
    sleep : callable
        Waits some seconds.

    Attributes
    ----------
    caught_up : bool
        Whether all that was there to begin with has been read.

    Raises
    ------
    CorpusError
        For what cannot be followed, and where it cannot be read.
    """

    rereadable = False

    def __init__(
        self,
        path: FilePath,
        reading: Reading,
        tell: Callable[[str], None] | None = None,
        *,
        history: int = _HISTORY_BYTES,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(str(path), reading, reading.field is not None)
        self._path = os.fspath(path)
        self._tell = tell or (lambda line: None)
        self._history = history
        self._sleep = sleep
        self.caught_up = False
        self._check()

    def _check(self) -> None:
        name, option = short_name(self.name), setting("follow", True)
        if self.name == STDIN:
            raise CorpusError(
                f"standard input is scored as it comes; leave {option} out, or name a file"
            )
        if is_compressed(self.name) or is_table(self.name, self.reading.field):
            raise CorpusError(f"{option} reads plain text and JSON lines, and {name} is neither")
        if not self.reading.has_ascii_line_ends:
            raise CorpusError(
                f"{option} cannot read {self.reading.encoding}; convert the log to utf-8"
            )
        try:
            mode = os.stat(self._path).st_mode
        except FileNotFoundError:
            folder = os.path.dirname(os.path.abspath(self._path))
            if not os.path.isdir(folder):
                raise CorpusError(
                    f"{short_name(folder)}: no such folder; name a file that will be written"
                ) from None
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise CorpusError(f"{name} cannot be followed: {reason}; name a file") from None
        else:
            if not stat.S_ISREG(mode):
                raise CorpusError(f"{name} is not a regular file; {option} needs one")

    def _bytes(self) -> Iterator[bytes]:
        current = self._open_first()
        old: list[tuple[_Growing, float]] = []
        try:
            while True:
                for growing, _ in old:
                    yield from growing.more()
                if current is not None:
                    yield from current.more()
                self.caught_up = True
                now = time.monotonic()
                for growing in [growing for growing, until in old if until <= now]:
                    yield from growing.rest()
                    growing.close()
                old = [(growing, until) for growing, until in old if until > now]
                replaced = self._replacement(current)
                if replaced is not None:
                    if current is not None:
                        # What came between the last look and the rotation.
                        yield from current.more()
                        self._tell(f"{self.name} was replaced; following the new file")
                        old.append((current, time.monotonic() + _LINGER_SECONDS))
                    else:
                        self._tell(f"{self.name} is there now")
                    current = replaced
                    continue
                self._sleep(_LOOK_SECONDS)
        finally:
            for growing in [*(each for each, _ in old), *([current] if current else [])]:
                growing.close()

    def _open_first(self) -> _Growing | None:
        file = self._open()
        if file is None:
            self._tell(f"{self.name} is not there yet; waiting for it")
            return None
        growing = _Growing(file, self.name, self._tell)
        growing.skip_to_last(self._history)
        return growing

    def _open(self) -> BinaryIO | None:
        try:
            return open(self._path, "rb", buffering=0)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise CorpusError(
                f"{self.name} cannot be read: {error.strerror or error}; make it readable"
            ) from None

    def _replacement(self, current: _Growing | None) -> _Growing | None:
        """Return the file that has the name now, if it is another than the current one."""
        try:
            now = os.stat(self._path)
        except OSError:  # renamed, and not made anew yet
            return None
        if current is not None and os.path.samestat(now, current.status):
            return None
        file = self._open()
        return None if file is None else _Growing(file, self.name, self._tell)


class _Growing:
    """An open file: how far it was read, and whether it is still what was read."""

    def __init__(self, file: BinaryIO, name: str, tell: Callable[[str], None]) -> None:
        self._file = file
        self._name = name
        self._tell = tell
        self._at = 0
        self._mark = b""  # the bytes before the place of reading
        self._begun = b""  # a line whose end is not there yet
        self.status = os.fstat(file.fileno())

    def skip_to_last(self, size: int) -> None:
        """Go to the first line that begins within the last bytes."""
        start = self.status.st_size - size
        if start <= 0:
            return
        self._file.seek(start - 1)
        self._at = start - 1
        while chunk := self._file.read(_TAKEN):
            end = chunk.find(b"\n")
            self._at += len(chunk) if end < 0 else end + 1
            if end >= 0:
                break
        self._file.seek(max(self._at - _MARK_BYTES, 0))
        self._mark = self._file.read(min(self._at, _MARK_BYTES))

    def more(self) -> Iterator[bytes]:
        """Yield the lines that were added, several at a time."""
        with contextlib.suppress(OSError):  # a network file system that is away for a moment
            if self._was_rewritten():
                self._tell(f"{self._name} was cut short; reading it from its beginning")
                yield from self.rest()
                self._at, self._mark = 0, b""
        while True:
            try:
                self._file.seek(self._at)
                chunk = self._file.read(_TAKEN)
            except OSError as error:
                raise CorpusError(
                    f"{self._name} cannot be read: {error.strerror or error}; start again"
                ) from None
            if not chunk:
                return
            self._at += len(chunk)
            self._mark = (self._mark + chunk)[-_MARK_BYTES:]
            chunk = self._begun + chunk
            end = chunk.rfind(b"\n") + 1
            if not end and len(chunk) > _MOST_HELD:
                end = len(chunk)
            self._begun = chunk[end:]
            if end:
                yield chunk[:end]

    def rest(self) -> Iterator[bytes]:
        """Yield the line that has no end, since it will get none."""
        begun, self._begun = self._begun, b""
        if begun:
            yield begun + b"\n"

    def _was_rewritten(self) -> bool:
        size = os.fstat(self._file.fileno()).st_size
        if size < self._at:
            return True
        if size == self._at:
            return False
        # It may have been cut short and have grown beyond this place between two looks.
        self._file.seek(self._at - len(self._mark))
        return self._file.read(len(self._mark)) != self._mark

    def close(self) -> None:
        """Close it."""
        self._file.close()
