"""JSON lines: texts and records of .jsonl files, with line numbers in every error."""

from __future__ import annotations

import gzip
import io
import json
import sys
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

from fastlm.errors import CorpusError
from fastlm.text.decoding import Reading, normal_line_ends
from fastlm.types import DEFAULT_FIELD

__all__ = [
    "BadRecord",
    "JsonLines",
    "Record",
    "RecordReader",
    "decoded_line",
    "is_json_lines",
    "parse_record",
]


def decoded_line(line: bytes, errors: str = "strict") -> str:
    """A line of UTF-8 as a str.

    errors : ``strict``, or ``replace``: bytes that do not decode become U+FFFD

    Raises CorpusError with the first byte that cannot be decoded; the caller knows which line of
    what it is.
    """
    try:
        return line.decode("utf-8", errors)
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"byte 0x{line[error.start]:02X} at offset {error.start} of the line is not valid "
            "UTF-8; convert it to UTF-8, e.g. with iconv"
        ) from None


def parse_record(line: str, field: str) -> dict[str, Any]:
    """The JSON object of a line, which has a string under ``field``.

    Raises CorpusError for anything else; the caller knows which line of what it is.
    """
    try:
        record = json.loads(line)
    except json.JSONDecodeError as error:
        raise CorpusError(
            f"not JSON: {error.msg} at column {error.colno}; give one object a line"
        ) from None
    except RecursionError:
        raise CorpusError(
            "not JSON that can be read: it is nested too deeply; give one flat object a line"
        ) from None
    except ValueError as error:  # a number of too many digits
        raise CorpusError(f"not JSON that can be read: {error}; shorten the number") from None
    if not isinstance(record, dict):
        raise CorpusError(f"a JSON {_json_type(record)}, not an object; give one object a line")
    if field not in record:
        names = ", ".join(map(repr, list(record)[:8])) or "none"
        raise CorpusError(f"no field {field!r} (it has {names}); name the text with --field")
    value = record[field]
    if not isinstance(value, str):
        raise CorpusError(
            f"field {field!r} is a JSON {_json_type(value)}, not a string; correct it"
        )
    return record


def _json_type(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "boolean", int: "number", float: "number", list: "array", dict: "object"}
    return names.get(type(value), "string")


class JsonLines:
    """The records of one source.

    name : how messages call the source
    skipped : lines left out so far (``Reading.skip_bad``); ``first_skipped`` says why the first was
    """

    def __init__(self, name: str, reading: Reading) -> None:
        self.name = name
        self.reading = reading
        self.skipped = 0
        self.first_skipped = ""

    def texts(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        r"""Yield each record's text as UTF-8 with \n for line ends; empty ones are left out.

        blocks : the source in blocks, lines separated by \n

        Raises
        ------
        CorpusError
            For a line that is not JSON in UTF-8, is no object, lacks the field, or has something
            other than a text there: with the number of the line.
        """
        for number, line in enumerate(_lines(blocks), start=1):
            if line.isspace() or not line:
                continue
            try:
                text = self._text(line)
            except CorpusError as error:
                problem = f"{self.name}, line {number}: {error}"
                if not self.reading.skip_bad:
                    raise CorpusError(
                        f"{problem}; or leave such lines out with --skip-bad"
                    ) from None
                self.first_skipped = self.first_skipped or problem
                self.skipped += 1
                continue
            if text:
                yield text

    def _text(self, line: bytes) -> bytes:
        field = DEFAULT_FIELD if self.reading.field is None else self.reading.field
        text: str = parse_record(decoded_line(line, self.reading.errors), field)[field]
        try:
            return normal_line_ends(text.encode("utf-8"))
        except UnicodeEncodeError:
            raise CorpusError(
                f"field {field!r} holds a lone surrogate, which is no character; correct it"
            ) from None


def _lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    parts: list[bytes] = []
    for block in blocks:
        first, *others = block.split(b"\n")
        parts.append(first)
        if others:
            yield b"".join(parts)
            yield from others[:-1]
            parts = [others[-1]]
    yield b"".join(parts)


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
