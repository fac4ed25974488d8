"""Where does text come from? Files, folders, patterns, standard input, strings in memory."""

from __future__ import annotations

import os
import stat
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from fastlm.checks import check_texts
from fastlm.errors import CorpusError
from fastlm.text.compression import COMPRESSED, is_compressed, read_chunks
from fastlm.text.decoding import Reading, normal_line_ends, text_blocks
from fastlm.text.json_lines import JsonLines
from fastlm.types import FilePath

__all__ = ["STDIN", "FileInput", "Input", "TextPart", "TextsInput"]

STDIN = "-"


DEFAULT_NAME = "Python's documentation, built in"


_JSON_LINES = (".jsonl", ".ndjson")


_TEXT = 1 << 20  # characters of a long string that are taken at a time


class TextPart(NamedTuple):
    r"""A part of a text.

    data : UTF-8 of whole characters with \n for line ends
    ends_text : whether the text (a file, a record, a string) ends with it
    """

    data: bytes
    ends_text: bool


class Input(ABC):
    """One thing that was named as a corpus; it may hold many texts.

    name : how messages call it
    size : bytes on the disk, compressed or not, or None where nobody knows yet
    rereadable : whether it can be read again and gives the same
    in_folder : found in a folder, not named itself: it may be empty
    bytes_read : of these bytes, how many the running ``parts`` has read; 0 where ``size`` is None
    """

    name: str
    size: int | None = None
    rereadable: bool = True
    in_folder: bool = False
    bytes_read: int = 0

    @abstractmethod
    def parts(self, *, trusted: bool = False) -> Iterator[TextPart]:
        """Yield the texts in pieces of at most some megabytes (a record is one piece).

        trusted : it was read to its end before: encodings are not checked again

        Raises CorpusError when it cannot be read.
        """

    def read_from(self, offset: int, total: int) -> Iterator[bytes]:
        """Yield what lies ``offset`` bytes after the beginning of all texts put together.

        total : bytes of all texts, as the reading before this one found; ``offset``, which is
            less, lies between two characters
        """
        for part in self.parts(trusted=True):
            if offset < len(part.data):
                yield part.data[offset:] if offset else part.data
            offset = max(offset - len(part.data), 0)

    @property
    def notes(self) -> list[str]:
        """What was left out in the last reading, for people."""
        return []

    def identity(self) -> list[Any]:
        """[name, bytes, time of the last change in ns], as far as they are there."""
        return [self.name, None, None]


class FileInput(Input):
    """A file: plain text or JSON lines, compressed or not, as its name says."""

    left_out = ""

    def __init__(self, path: FilePath, reading: Reading, *, in_folder: bool = False) -> None:
        self.path = path
        self.name = str(path)
        self.reading = reading
        self.in_folder = in_folder
        self._lines: JsonLines | None = None
        self._empty = False
        self._identity: list[Any] = []
        if not self.name or "\0" in self.name:
            raise CorpusError(f"{self.name!r} is not a path; name a file")
        try:
            status = os.stat(path)
        except OSError:
            return  # reading it says what is wrong
        # A named pipe can be read once, and has no size.
        self.rereadable = stat.S_ISREG(status.st_mode)
        if self.rereadable:
            self.size = status.st_size
            self._identity = [os.path.abspath(path), status.st_size, status.st_mtime_ns]

    def identity(self) -> list[Any]:
        return self._identity or super().identity()

    @property
    def notes(self) -> list[str]:
        notes = [self.left_out] if self.left_out else []
        if self._empty:
            notes.append(f"{self.name} is empty and was left out")
        return notes + _skipped(self._lines)

    def parts(self, *, trusted: bool = False) -> Iterator[TextPart]:
        self.bytes_read = 0
        self._empty = False
        with self._opened() as file:
            yield from self._pieces(self._counted(file), trusted)

    def read_from(self, offset: int, total: int) -> Iterator[bytes]:
        # Decoding a strict UTF-8 only takes bytes away: a file as large as its text is the text,
        # but for the kind of line ends.
        is_text = self.size == total and self.reading.utf8 and self.reading.errors == "strict"
        if not is_text or is_json_lines(self.name, self.reading) or is_compressed(self.name):
            yield from super().read_from(offset, total)
            return
        with self._opened() as file:
            file.seek(offset)
            chunks = read_chunks(file, self.name)
            yield from text_blocks(
                chunks, self.name, self.reading, trusted=True, beginning=offset == 0
            )

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        try:
            # Windows reports a folder as a lack of permission, so ask before opening.
            if Path(self.path).is_dir():
                raise CorpusError(
                    f"{self.name} is a folder; name files in it, e.g. {Path(self.path) / '*.txt'}"
                )
            with open(self.path, "rb", buffering=0) as file:
                yield file
        except FileNotFoundError:
            raise CorpusError(
                f"{self.name}: no such file; check the name and the current folder"
            ) from None
        except PermissionError:
            raise CorpusError(f"{self.name}: permission denied; make the file readable") from None
        except OSError as error:
            raise CorpusError(f"{self.name} cannot be read: {error.strerror or error}") from None

    def _counted(self, file: Any) -> Iterator[bytes]:
        for chunk in read_chunks(file, self.name):
            if self.rereadable:
                self.bytes_read = file.tell()
            yield chunk

    def _pieces(self, chunks: Iterator[bytes], trusted: bool) -> Iterator[TextPart]:
        if is_json_lines(self.name, self.reading):
            self._lines = JsonLines(self.name, self.reading)
            yield from _records(self._lines, chunks, trusted)
            return
        first = next(chunks, b"")
        empty = not first
        pieces = _ended(
            text_blocks(chain((first,), chunks) if first else (), self.name, self.reading,
                        trusted=trusted)
        )  # fmt: skip
        piece = next(pieces, None)
        if piece is not None:
            yield piece
            yield from pieces
        elif self.in_folder:
            self._empty = True
        else:
            mark = "" if empty else " but for a byte order mark"
            raise CorpusError(f"{self.name} is empty{mark}; name a file that holds text")


class StdinInput(Input):
    """Standard input: text, or JSON lines where a field is given."""

    name = "standard input"
    rereadable = False

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self._lines: JsonLines | None = None

    @property
    def notes(self) -> list[str]:
        return _skipped(self._lines)

    def parts(self, *, trusted: bool = False) -> Iterator[TextPart]:
        if self.reading.field is not None:
            self._lines = JsonLines(self.name, self.reading)
            yield from _records(self._lines, _stdin_chunks(), trusted)
            return
        empty = True
        for piece in _ended(text_blocks(_stdin_chunks(), self.name, self.reading)):
            empty = False
            yield piece
        if empty:
            raise CorpusError("standard input is empty; name a file that holds text")


class TextsInput(Input):
    """Strings in memory, or that an iterable makes one after the other: each is a text."""

    def __init__(self, texts: Iterable[str], name: str = "texts") -> None:
        check_texts(texts, CorpusError)
        self.texts = texts
        self.name = name
        self.rereadable = isinstance(texts, (list, tuple))

    def parts(self, *, trusted: bool = False) -> Iterator[TextPart]:
        empty = True
        for index, text in enumerate(self.texts):
            if not isinstance(text, str):
                raise CorpusError(
                    f"text {index} is {type(text).__name__}, not str; decode or convert it first"
                )
            if not text:
                continue
            empty = False
            if len(text) <= _TEXT:
                yield TextPart(normal_line_ends(_utf8(text, index)), True)
            else:
                parts = (text[at : at + _TEXT] for at in range(0, len(text), _TEXT))
                yield from _ended(_joined_line_ends(_utf8(part, index) for part in parts))
        if empty:
            raise CorpusError(
                "the texts hold no document: all are empty; give at least one with text"
            )


def is_json_lines(name: str, reading: Reading) -> bool:
    suffixes = [suffix.lower() for suffix in Path(name).suffixes]
    if suffixes and suffixes[-1] in COMPRESSED:
        suffixes.pop()
    kind = suffixes[-1] if suffixes else ""
    return kind in _JSON_LINES or (reading.field is not None and kind == ".json")


def _records(lines: JsonLines, chunks: Iterable[bytes], trusted: bool) -> Iterator[TextPart]:
    # UTF-8 is left as it is: a line that cannot be decoded is a bad line, not a bad file.
    trusted = trusted or lines.reading.utf8
    reading = Reading(encoding=lines.reading.encoding)
    empty = True
    for text in lines.texts(text_blocks(chunks, lines.name, reading, trusted=trusted)):
        empty = False
        yield TextPart(text, True)
    if empty:
        why = f": all {lines.skipped:,} lines were left out" if lines.skipped else ""
        raise CorpusError(f"{lines.name} holds no text{why}; name JSON lines that hold some")


def _ended(blocks: Iterable[bytes]) -> Iterator[TextPart]:
    """Yield the blocks of one text; the last one says that it is the last."""
    before = None
    for block in blocks:
        if before is not None:
            yield TextPart(before, False)
        before = block
    if before is not None:
        yield TextPart(before, True)


def _joined_line_ends(blocks: Iterable[bytes]) -> Iterator[bytes]:
    held_back = b""
    for block in chain(blocks, (b"",)):
        data = held_back + block
        held_back = b"\r" if block and data.endswith(b"\r") else b""
        if held_back:
            data = data[:-1]
        if data:
            yield normal_line_ends(data)


def _utf8(text: str, index: int) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise CorpusError(
            f"text {index} holds a lone surrogate U+{ord(text[error.start]):04X}, which is not "
            "valid Unicode text; read the text again as valid UTF-8"
        ) from None


def _skipped(lines: JsonLines | None) -> list[str]:
    if lines is None or not lines.skipped:
        return []
    plural = "line was" if lines.skipped == 1 else "lines were"
    return [f"{lines.skipped:,} {plural} left out, the first: {lines.first_skipped}"]


def _stdin_chunks() -> Iterator[bytes]:
    if sys.stdin is None:
        raise CorpusError("there is no standard input to read from; name a file")
    stream: Any = getattr(sys.stdin, "buffer", sys.stdin)
    while chunk := stream.read(_TEXT):
        yield chunk.encode("utf-8") if isinstance(chunk, str) else chunk
