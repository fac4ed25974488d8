"""Copies of inputs that can be read only once, in memory or in a temporary file."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import BinaryIO

from fastlm.text.sources import Input, TextPart

__all__ = ["SpoolInput"]


class SpoolInput(Input):
    """A copy on the disk of what can be read only once; ``close`` takes it away.

    Format: before each piece a 32-bit number, little-endian: its length in bytes, times two, plus
    one where a text ends.
    """

    _HEAD = struct.Struct("<I")

    def __init__(self, source: Input, file: BinaryIO) -> None:
        """``file`` : opened for reading and writing, empty."""
        self.name = source.name
        self.in_folder = source.in_folder
        self._file = file
        self.size: int | None = 0

    def write(self, piece: TextPart) -> None:
        # A record may be longer than a length can say.
        limit = 1 << 30
        for at in range(0, len(piece.data) or 1, limit):
            data = piece.data[at : at + limit]
            end = piece.ends_text and at + limit >= len(piece.data)
            self._file.write(self._HEAD.pack(2 * len(data) + end))
            self._file.write(data)
            self.size = (self.size or 0) + self._HEAD.size + len(data)

    def parts(self, *, trusted: bool = True) -> Iterator[TextPart]:
        self._file.seek(0)
        while head := self._file.read(self._HEAD.size):
            (number,) = self._HEAD.unpack(head)
            yield TextPart(self._file.read(number >> 1), bool(number & 1))
            self.bytes_read = self._file.tell()

    def close(self) -> None:
        self._file.close()


class _Copies:
    """What was read: in memory while it is little, then, where it cannot be read again, on disk."""

    def __init__(self, keep: int | None, spool: Callable[[], BinaryIO] | None) -> None:
        self.inputs: list[Input] = []
        self.kept: list[list[TextPart]] | None = []
        self._left = keep
        self._spool = spool

    def begin(self, source: Input) -> None:
        self.inputs.append(source)
        if self.kept is not None:
            self.kept.append([])
        elif not source.rereadable:
            self._replace(len(self.inputs) - 1, [])

    def add(self, piece: TextPart) -> None:
        current = self.inputs[-1]
        if self.kept is not None:
            self.kept[-1].append(piece)
            if self._left is not None:
                self._left -= len(piece.data)
                if self._left < 0:
                    self._let_go(self.kept)
        elif isinstance(current, SpoolInput):
            current.write(piece)

    def drop(self) -> None:
        """Forget the input that was read last."""
        source = self.inputs.pop()
        if isinstance(source, SpoolInput):
            source.close()
        if self.kept is not None:
            self.kept.pop()

    def close(self) -> None:
        for source in self.inputs:
            if isinstance(source, SpoolInput):
                source.close()

    def _let_go(self, kept: list[list[TextPart]]) -> None:
        self.kept = None
        for index, pieces in enumerate(kept):
            if not self.inputs[index].rereadable:
                self._replace(index, pieces)

    def _replace(self, index: int, pieces: list[TextPart]) -> None:
        assert self._spool is not None
        copy = SpoolInput(self.inputs[index], self._spool())
        self.inputs[index] = copy
        for piece in pieces:
            copy.write(piece)
