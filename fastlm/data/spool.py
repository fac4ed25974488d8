"""Copies of inputs as they are read, in memory or in temporary files."""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from fastlm.errors import StoreError
from fastlm.text.sources import Input, TextPart

__all__ = ["CorpusCopies", "InputCopy"]

_LENGTH = struct.Struct("<I")
_LONGEST = 1 << 30  # bytes of a part: its length, times two, has to fit into 32 bits


class InputCopy(Input):
    """What an input gave, to be read again under its name; in memory until it is spooled.

    Format of the file: before each part its length in bytes, times two, plus one where a text ends
    with it; 32 bits, little-endian.

    source : the input that is copied
    folder : of the temporary file; None: the system's folder for such files
    """

    def __init__(self, source: Input, folder: Path | None = None) -> None:
        self.name = source.name
        self.in_folder = source.in_folder
        self.source = source
        self._parts: list[TextPart] = []
        self._file: IO[bytes] | None = None
        self._folder = folder

    def identity(self) -> list[Any]:
        return self.source.identity()

    def write(self, part: TextPart) -> None:
        """Append a part."""
        if self._file is None:
            self._parts.append(part)
            return
        for start in range(0, len(part.data) or 1, _LONGEST):
            data = part.data[start : start + _LONGEST]
            ends_text = part.ends_text and start + _LONGEST >= len(part.data)
            self._file.write(_LENGTH.pack(2 * len(data) + ends_text))
            self._file.write(data)

    def parts(self, *, trusted: bool = True) -> Iterator[TextPart]:
        if self._file is None:
            yield from self._parts
            return
        self._file.seek(0)
        while head := self._file.read(_LENGTH.size):
            (number,) = _LENGTH.unpack(head)
            yield TextPart(self._file.read(number >> 1), bool(number & 1))

    def spool(self) -> None:
        """Move the copy to a temporary file, if it is not in one."""
        if self._file is None:
            self._file = tempfile.TemporaryFile(dir=self._folder, prefix="fastlm-")  # noqa: SIM115
            parts, self._parts = self._parts, []
            for part in parts:
                self.write(part)

    def close(self) -> None:
        """Remove the copy."""
        if self._file is not None:
            self._file.close()


class CorpusCopies:
    """Copies of all inputs in memory up to a limit; above it, of what is not rereadable, on disk.

    inputs : to read from now on, each a copy or the input itself
    keep : the limit in bytes
    folder : see ``InputCopy``
    """

    def __init__(self, keep: int, folder: Path | None) -> None:
        self.inputs: list[Input] = []
        self._left = keep
        self._full = False
        self._folder = folder

    def begin(self, source: Input) -> None:
        """Begin the copy of the next input."""
        needed = not (self._full and source.rereadable)
        self.inputs.append(InputCopy(source, self._folder) if needed else source)

    def add(self, part: TextPart) -> None:
        """Append what the current input gave.

        Raises StoreError where there is no room for a copy.
        """
        current = self.inputs[-1]
        self._left -= len(part.data)
        try:
            if isinstance(current, InputCopy):
                current.write(part)
            if self._left < 0:
                self._leave_memory()
        except OSError as error:
            raise StoreError(
                f"cannot keep a copy of the text in {self._folder or tempfile.gettempdir()}: "
                f"{error.strerror or error}; free some space, or write the text to a file and "
                "name that"
            ) from None

    def drop(self) -> None:
        """Forget the current input."""
        source = self.inputs.pop()
        if isinstance(source, InputCopy):
            source.close()

    def close(self) -> None:
        """Remove all copies."""
        while self.inputs:
            self.drop()

    def _leave_memory(self) -> None:
        # From the second time on, only the current input may be in memory.
        for index in range(-1 if self._full else -len(self.inputs), 0):
            copy = self.inputs[index]
            if isinstance(copy, InputCopy):
                if copy.source.rereadable:
                    self.inputs[index] = copy.source
                else:
                    copy.spool()
        self._full = True
