"""Copies of a corpus as it is read, in memory or in a temporary file."""

from __future__ import annotations

import struct
import tempfile
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from fastlm.errors import StoreError
from fastlm.text.sources import Input, TextPart

__all__ = ["CorpusCopies", "InputCopy", "MemoryCopy", "SpoolCopy"]

_LENGTH = struct.Struct("<I")
_LONGEST = 1 << 30  # bytes of a part: its length, times two, has to fit into 32 bits


class InputCopy(Input):
    """What an input gave, to be read again under its name.

    source : the input that was copied
    """

    def __init__(self, source: Input) -> None:
        self.name = source.name
        self.in_folder = source.in_folder
        self.source = source

    def identity(self) -> list[Any]:
        return self.source.identity()

    @abstractmethod
    def write(self, part: TextPart) -> None:
        """Append a part; an OSError where there is no room for it."""

    def close(self) -> None:
        """Remove the copy."""


class MemoryCopy(InputCopy):
    """A copy in memory."""

    def __init__(self, source: Input) -> None:
        super().__init__(source)
        self._parts: list[TextPart] = []

    def write(self, part: TextPart) -> None:
        self._parts.append(part)

    def parts(self, *, trusted: bool = True) -> Iterator[TextPart]:
        return iter(self._parts)


class SpoolCopy(InputCopy):
    """A copy in a temporary file, which ``close`` removes.

    Format: before each part its length in bytes, times two, plus one where a text ends with it;
    32 bits, little-endian.

    folder : where the file is made; None: the system's folder for temporary files
    """

    def __init__(self, source: Input, folder: Path | None = None) -> None:
        super().__init__(source)
        file = tempfile.TemporaryFile(dir=folder, prefix="fastlm-")  # noqa: SIM115
        self._file = cast(BinaryIO, file)
        self.size: int | None = 0

    def write(self, part: TextPart) -> None:
        for start in range(0, len(part.data) or 1, _LONGEST):
            data = part.data[start : start + _LONGEST]
            ends_text = part.ends_text and start + _LONGEST >= len(part.data)
            self._file.write(_LENGTH.pack(2 * len(data) + ends_text))
            self._file.write(data)
            self.size = (self.size or 0) + _LENGTH.size + len(data)

    def parts(self, *, trusted: bool = True) -> Iterator[TextPart]:
        self._file.seek(0)
        while head := self._file.read(_LENGTH.size):
            (number,) = _LENGTH.unpack(head)
            yield TextPart(self._file.read(number >> 1), bool(number & 1))
            self.bytes_read = self._file.tell()

    def close(self) -> None:
        self._file.close()


class CorpusCopies:
    """Copies all inputs in memory up to a limit; above it, only what cannot be read again, on disk.

    inputs : to read from now on, each a copy or the input itself
    keep : the limit in bytes; None: no limit
    folder : of temporary files; see ``SpoolCopy``
    """

    def __init__(self, keep: int | None, folder: Path | None) -> None:
        self.inputs: list[Input] = []
        self._left = keep
        self._in_memory = True
        self._folder = folder

    def begin(self, source: Input) -> None:
        """Begin the copy of the next input.

        Raises StoreError where it cannot be made.
        """
        try:
            self.inputs.append(self._copy_of(source))
        except OSError as error:
            raise self._no_room(error) from None

    def add(self, part: TextPart) -> None:
        """Append what the current input gave.

        Raises StoreError where it cannot be kept.
        """
        current = self.inputs[-1]
        try:
            if isinstance(current, InputCopy):
                current.write(part)
            if self._in_memory and self._left is not None:
                self._left -= len(part.data)
                if self._left < 0:
                    self._leave_memory()
        except OSError as error:
            raise self._no_room(error) from None

    def drop(self) -> None:
        """Forget the current input."""
        source = self.inputs.pop()
        if isinstance(source, InputCopy):
            source.close()

    def close(self) -> None:
        """Remove all copies."""
        while self.inputs:
            self.drop()

    def _copy_of(self, source: Input) -> Input:
        if self._in_memory:
            return MemoryCopy(source)
        return source if source.rereadable else SpoolCopy(source, self._folder)

    def _leave_memory(self) -> None:
        self._in_memory = False
        for index, copy in enumerate(self.inputs):
            assert isinstance(copy, MemoryCopy)
            again = self.inputs[index] = self._copy_of(copy.source)
            if isinstance(again, SpoolCopy):
                for part in copy.parts():
                    again.write(part)

    def _no_room(self, error: OSError) -> StoreError:
        return StoreError(
            f"cannot keep a copy of the text in {self._folder or tempfile.gettempdir()}: "
            f"{error.strerror or error}; free some space, or write the text to a file and name that"
        )
