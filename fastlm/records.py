"""Records from a stream of lines or JSON lines, in constant memory, as they come."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

from fastlm.errors import CorpusError
from fastlm.json_record import decoded_line, parse_record

__all__ = ["BadRecord", "Record", "RecordReader", "is_json_lines"]

STDIN = "-"

# Bytes read at a time, at most: a pipe gives what it has.
_READ = 1 << 18

# A longer line would not fit the memory that reading line by line promises to keep.
MAX_LINE = 1 << 28

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Record:
    """One line.

    number : from 1
    raw : the line without its line end, as it was
    text : what is to be scored
    fields : the JSON object, where the lines are JSON
    """

    number: int
    raw: bytes
    text: str
    fields: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A line that cannot be used, and why."""

    number: int
    reason: str


def is_json_lines(path: str) -> bool:
    """Whether a file's name says that its lines are JSON, compressed or not."""
    return path.lower().removesuffix(".gz").endswith((".jsonl", ".ndjson"))


class RecordReader:
    """Reads records in blocks.

    path : a file, gzip if its name ends in .gz, or "-": standard input
    field : the JSON field that holds the text; None: the line is the text

    Lines end in \\n or \\r\\n. Where they are JSON, empty ones are no records.

    Raises CorpusError when it cannot be opened or read, and for a line above 268 MB.
    """

    def __init__(self, path: str, field: str | None) -> None:
        self._is_stdin = path == STDIN
        self.name = "standard input" if self._is_stdin else path
        self.field = field
        self.bytes_read = 0
        self._stream = _opened(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if not self._is_stdin:
            self._stream.close()

    def blocks(self) -> Iterator[list[Record | BadRecord]]:
        """Yield what has come, as soon as it has come: the lines that end in it, not empty."""
        number = 0
        for lines in self._lines():
            block = []
            for line in lines:
                number += 1
                if self.field is None or line.strip():
                    block.append(self._record(number, line.removesuffix(b"\r")))
            if block:
                yield block

    def _lines(self) -> Iterator[list[bytes]]:
        beginning: list[bytes] = []  # of a line whose end has not come; joined once
        size = 0
        number = 1
        while data := self._read():
            head, newline, rest = data.partition(b"\n")
            beginning.append(head)
            size += len(head)
            if size > MAX_LINE:
                raise CorpusError(
                    f"{self.name}, line {number} is longer than {MAX_LINE:,} bytes; split it into "
                    "several lines"
                )
            if not newline:
                continue
            *lines, last = rest.split(b"\n")
            number += 1 + len(lines)
            first = b"".join(beginning)
            beginning, size = [last], len(last)
            yield [first, *lines]
        if size:
            last = b"".join(beginning)
            beginning.clear()
            yield [last]

    def _read(self) -> bytes:
        try:
            data: bytes = self._stream.read1(_READ)  # type: ignore[attr-defined]
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise CorpusError(
                f"{self.name} is not a whole gzip file: {error}; use another copy of it"
            ) from None
        except OSError as error:
            raise CorpusError(
                f"{self.name} cannot be read: {error.strerror or error}; check the disk"
            ) from None
        self.bytes_read += len(data)
        return data

    def _record(self, number: int, raw: bytes) -> Record | BadRecord:
        try:
            text = decoded_line(raw.removeprefix(_BYTE_ORDER_MARK) if number == 1 else raw)
            if self.field is None:
                return Record(number, raw, text)
            fields = parse_record(text, self.field)
        except CorpusError as error:
            return BadRecord(number, str(error))
        return Record(number, raw, fields[self.field], fields)


def _opened(path: str) -> IO[bytes]:
    if path == STDIN:
        if sys.stdin is None:
            raise CorpusError("there is no standard input to read from; name a file")
        binary = getattr(sys.stdin, "buffer", None)
        return binary or io.BytesIO(sys.stdin.read().encode("utf-8"))
    if not path or "\0" in path:
        raise CorpusError(f"{path!r} is not a path; name a file")
    # Windows reports a folder as a lack of permission, so ask before opening.
    if Path(path).is_dir():
        raise CorpusError(f"{path} is a folder; name a file in it")
    try:
        if path.lower().endswith(".gz"):
            return gzip.open(path, "rb")  # type: ignore[return-value]
        return Path(path).open("rb")
    except FileNotFoundError:
        raise CorpusError(f"{path}: no such file; check the name and the current folder") from None
    except OSError as error:
        raise CorpusError(
            f"{path} cannot be read: {error.strerror or error}; make the file readable"
        ) from None
