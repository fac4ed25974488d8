"""Sources of text: files, standard input, strings in memory."""

from __future__ import annotations

import os
import stat
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any, NamedTuple

from fastlm.checks import one_or_several_texts, short_name, shown
from fastlm.errors import CorpusError, MissingFileError
from fastlm.text.compression import is_compressed, read_chunks
from fastlm.text.decoding import Reading, normalize_line_ends, text_blocks
from fastlm.text.file_kinds import kind_of
from fastlm.text.json_lines import JsonLines, is_json_lines
from fastlm.types import FilePath

__all__ = [
    "DEFAULT_NAME",
    "STDIN",
    "ByteInput",
    "FileInput",
    "Input",
    "Note",
    "PathInput",
    "StdinInput",
    "TextPart",
    "TextsInput",
    "file_or_stdin",
]

STDIN = "-"
"""The path that stands for standard input."""

DEFAULT_NAME = "Python's documentation, built in"
"""How messages call the default corpus."""

# Bytes of standard input, and characters of a long string, that are taken at a time.
_TAKEN = 1 << 20


class TextPart(NamedTuple):
    r"""A part of a text.

    Attributes
    ----------
    data : bytes
        UTF-8 of whole characters with \n for line ends.
    ends_text : bool
        Whether the text (a file, a record, a string) ends with it.
    """

    data: bytes
    ends_text: bool


class Note(NamedTuple):
    """What was left out of a corpus.

    Attributes
    ----------
    text : str
        For the person who reads the corpus; it may quote it.
    record : str
        For files that are passed on: it has no path and quotes nothing.
    """

    text: str
    record: str

    @classmethod
    def on_file(cls, path: FilePath, rest: str) -> Note:
        """Return a note that begins with the name of a file."""
        return cls(f"{path} {rest}", f"{Path(path).name} {rest}")


class Input(ABC):
    """One thing that was named as a corpus; it may hold many texts.

    Attributes
    ----------
    name : str
        How messages call it.
    size : int or None
        Bytes on the disk, compressed or not; None where they are not known.
    rereadable : bool
        Whether it can be read again and gives the same.
    in_folder : bool
        Found in a folder or by a pattern, not named itself: it may be empty.
    bytes_read : int
        Of `size`, the bytes that the running `parts` has read; 0 where `size` is None.
    """

    name: str
    size: int | None = None
    rereadable: bool = True
    in_folder: bool = False
    bytes_read: int = 0

    @abstractmethod
    def parts(self, *, trusted: bool = False) -> Iterator[TextPart]:
        """Yield the texts in parts of at most some megabytes (a record is one part).

        Parameters
        ----------
        trusted : bool
            It was read to its end before: encodings are not checked again.

        Raises
        ------
        CorpusError
            When it cannot be read or holds no text.
        """

    def parts_from(self, offset: int, total: int) -> Iterator[TextPart]:
        """Yield what follows the first `offset` bytes of all texts put together.

        Parameters
        ----------
        offset : int
            Less than `total`, between two characters.
        total : int
            Bytes of all texts, as the reading before this one found.
        """
        for part in self.parts(trusted=True):
            if offset < len(part.data):
                yield TextPart(part.data[offset:], part.ends_text) if offset else part
            offset = max(offset - len(part.data), 0)

    @property
    def notes(self) -> list[Note]:
        """What was left out in the last reading."""
        return []

    def identity(self) -> list[Any]:
        """Return [name, bytes, time of the last change in ns], None for what is not known."""
        return [self.name, None, None]


class ByteInput(Input):
    """Bytes that hold text, or JSON lines with texts."""

    def __init__(self, name: str, reading: Reading, holds_json_lines: bool) -> None:
        self.name = name
        self.reading = reading
        self._json_lines = JsonLines(name, reading) if holds_json_lines else None
        self._is_empty = False

    def chunks(self) -> Iterator[bytes]:
        """Yield the bytes, decompressed, as they come.

        Raises CorpusError where they cannot be read, and for a file of a kind that is no text.
        """
        start = b""
        for chunk in self._bytes():
            if not start and self.reading.utf8 and self.reading.errors == "strict":
                start = chunk
                kind = kind_of(start)
                if kind is not None:
                    raise CorpusError(f"{self.name} is {kind.name}, not text; {kind.remedy}")
            yield chunk

    @abstractmethod
    def _bytes(self) -> Iterator[bytes]:
        """Yield the bytes, decompressed, as they come; CorpusError where they cannot be read."""

    @property
    def notes(self) -> list[Note]:
        """What was left out in the last reading."""
        left_out = "is empty and was left out"
        notes = [Note.on_file(self.name, left_out)] if self._is_empty else []
        lines = self._json_lines
        if lines is not None and lines.skipped:
            plural = "line was" if lines.skipped == 1 else "lines were"
            skipped = f"{lines.skipped:,} {plural} left out"
            notes.append(Note(f"{skipped}, the first: {lines.first_skipped}", skipped))
        return notes

    def parts(self, *, trusted: bool = False) -> Iterator[TextPart]:
        """See `Input.parts`."""
        if self._json_lines is not None:
            self._json_lines = JsonLines(self.name, self.reading)
            yield from self._records(self._json_lines, trusted)
            return
        self._is_empty = False
        empty = True
        for part in _parts(text_blocks(self.chunks(), self.name, self.reading, trusted=trusted)):
            empty = False
            yield part
        if empty and not self.in_folder:
            raise CorpusError(f"{self.name} is empty; name a file that holds text")
        self._is_empty = empty

    def _records(self, lines: JsonLines, trusted: bool) -> Iterator[TextPart]:
        # UTF-8 is not checked here: a line that cannot be decoded is a bad line, not a bad file.
        reading = Reading(encoding=self.reading.encoding)
        trusted = trusted or reading.utf8
        empty = True
        for text in lines.texts(text_blocks(self.chunks(), self.name, reading, trusted=trusted)):
            empty = False
            yield TextPart(text, True)
        if empty:
            why = f": all {lines.skipped:,} lines were left out" if lines.skipped else ""
            raise CorpusError(f"{self.name} holds no text{why}; name JSON lines that hold some")


class PathInput(Input):
    """A file on the disk, or a named pipe.

    Raises CorpusError for what is no path; a file that is not there is an error when it is read.

    Attributes
    ----------
    path : path
    left_out : Note or None
        What of its folder is not read.
    """

    def __init__(self, path: FilePath, *, in_folder: bool = False) -> None:
        self.name = str(path)
        self.path = path
        self.in_folder = in_folder
        self.left_out: Note | None = None
        self._identity: list[Any] = []
        if not self.name or "\0" in self.name:
            raise CorpusError(f"{shown(self.name)} is not a path; name a file")
        try:
            status = os.stat(path)
        except OSError:
            return
        # A named pipe can be read once, and has no size.
        self.rereadable = stat.S_ISREG(status.st_mode)
        if self.rereadable:
            self.size = status.st_size
            self._identity = [os.path.abspath(path), status.st_size, status.st_mtime_ns]

    def identity(self) -> list[Any]:
        """See `Input.identity`; what is no file that can be read again has a name only."""
        return self._identity or super().identity()

    @property
    def notes(self) -> list[Note]:
        """What was left out in the last reading, and beside this file in its folder."""
        return ([] if self.left_out is None else [self.left_out]) + super().notes

    @contextmanager
    def _opened(self) -> Iterator[BufferedReader]:
        try:
            # Windows reports a folder as a lack of permission, so ask before opening.
            if Path(self.path).is_dir():
                raise CorpusError(
                    f"{self.name} is a folder; name files in it, e.g. {Path(self.path) / '*.txt'}"
                )
            with open(self.path, "rb") as file:
                yield file
        except FileNotFoundError:
            raise MissingFileError(
                f"{short_name(self.name)}: no such file; check the name and the current folder"
            ) from None
        except PermissionError:
            raise CorpusError(f"{self.name}: permission denied; make the file readable") from None
        except OSError as error:
            raise CorpusError(f"{self.name} cannot be read: {error.strerror or error}") from None


class FileInput(PathInput, ByteInput):
    """A file: plain text or JSON lines, compressed or not, as its name says; see `PathInput`."""

    def __init__(self, path: FilePath, reading: Reading, *, in_folder: bool = False) -> None:
        ByteInput.__init__(self, str(path), reading, is_json_lines(str(path), reading.field))
        PathInput.__init__(self, path, in_folder=in_folder)

    def _bytes(self) -> Iterator[bytes]:
        self.bytes_read = 0
        with self._opened() as file:
            for chunk in read_chunks(file, self.name):
                if self.rereadable:
                    self.bytes_read = file.tell()
                yield chunk

    def parts_from(self, offset: int, total: int) -> Iterator[TextPart]:
        """See `Input.parts_from`; plain text is not read before the offset."""
        # Decoding strict UTF-8 only takes bytes away: a file as large as its text is the text,
        # but for the kind of line ends.
        is_text = self.size == total and self.reading.utf8 and self.reading.errors == "strict"
        if not is_text or self._json_lines is not None or is_compressed(self.name):
            yield from super().parts_from(offset, total)
            return
        with self._opened() as file:
            file.seek(offset)
            yield from _parts(
                text_blocks(
                    read_chunks(file, self.name),
                    self.name,
                    self.reading,
                    trusted=True,
                    at_start=offset == 0,
                )
            )


class StdinInput(ByteInput):
    """Standard input: text, or JSON lines where a field is given."""

    rereadable = False

    def __init__(self, reading: Reading) -> None:
        super().__init__("standard input", reading, reading.field is not None)

    def _bytes(self) -> Iterator[bytes]:
        if sys.stdin is None:
            raise CorpusError("there is no standard input to read from; name a file")
        stream: Any = getattr(sys.stdin, "buffer", sys.stdin)
        # A pipe gives what it has; a notebook has text only.
        read = getattr(stream, "read1", stream.read)
        try:
            while chunk := read(_TAKEN):
                yield chunk.encode("utf-8") if isinstance(chunk, str) else chunk
        except OSError as error:
            raise CorpusError(f"{self.name} cannot be read: {error.strerror or error}") from None


def file_or_stdin(path: FilePath, reading: Reading) -> FileInput | StdinInput:
    """Return the source that a path names: a file, or standard input for "-"."""
    return StdinInput(reading) if str(path) == STDIN else FileInput(path, reading)


class TextsInput(Input):
    """A str in memory, or several that an iterable gives one after the other: each is a text."""

    def __init__(self, texts: str | Iterable[str], name: str = "texts") -> None:
        texts = one_or_several_texts(texts, CorpusError)
        self.texts = texts
        self.name = name
        self.rereadable = isinstance(texts, (list, tuple))

    def parts(self, *, trusted: bool = False) -> Iterator[TextPart]:
        """See `Input.parts`."""
        empty = True
        for index, text in enumerate(self.texts):
            if not isinstance(text, str):
                raise CorpusError(
                    f"text {index} is {type(text).__name__}, not str; decode or convert it first"
                )
            if not text:
                continue
            empty = False
            if len(text) <= _TAKEN:
                yield TextPart(normalize_line_ends(_utf8(text, index)), True)
            else:
                chunks = (
                    _utf8(text[at : at + _TAKEN], index) for at in range(0, len(text), _TAKEN)
                )
                yield from _parts(
                    text_blocks(chunks, self.name, Reading(), trusted=True, at_start=False)
                )
        if empty:
            raise CorpusError(
                "the texts hold no document: all are empty; give at least one with text"
            )


def _utf8(text: str, index: int) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise CorpusError(
            f"text {index} holds a lone surrogate U+{ord(text[error.start]):04X}, which is not "
            "valid Unicode text; read the text again as valid UTF-8"
        ) from None


def _parts(blocks: Iterable[bytes]) -> Iterator[TextPart]:
    """Yield the blocks of one text; the last one says that it is the last."""
    before = None
    for block in blocks:
        if before is not None:
            yield TextPart(before, False)
        before = block
    if before is not None:
        yield TextPart(before, True)
