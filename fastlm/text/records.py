"""Records: the lines of a source, one by one, unchanged; a bad one comes with its reason."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastlm.errors import CorpusError
from fastlm.text.decoding import BYTE_ORDER_MARK, Reading, text_blocks
from fastlm.text.json_lines import decode_line, is_json_lines, parse_record, split_lines
from fastlm.text.sources import file_or_stdin
from fastlm.types import DEFAULT_FIELD
from fastlm.wording import setting

__all__ = ["BadRecord", "Record", "RecordReader"]

_LINE_ENDS = b"\r\n"


@dataclass(frozen=True, slots=True)
class Record:
    """One line.

    Attributes
    ----------
    number : int
        Of the line, from 1.
    raw : bytes
        The line as it was, with its line end; the last one may have none.
    line : bytes
        The line in UTF-8, without its line end.
    text : str
        The text of the record.
    fields : dict or None
        The JSON object, where the lines are JSON.
    """

    number: int
    raw: bytes
    line: bytes
    text: str
    fields: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A line that cannot be used, and why."""

    number: int
    reason: str


class RecordReader:
    r"""The records of a file or of standard input; memory holds a line and a chunk.

    Lines end in \n, \r\n or \r, as in every text. Where they are JSON, empty ones are no records. A
    byte order mark at the beginning, or before a JSON object, is no part of a record.

    Parameters
    ----------
    path : str
        A file, compressed if its name says so, or "-": standard input.
    reading : Reading, optional
        With a field, or a name that says so, the lines are JSON; else a line is the text. Lines of
        an encoding that has other line ends than ASCII, such as UTF-16, become UTF-8.
    longest : float
        Bytes of a line at most.

    Attributes
    ----------
    name : str
        How messages call the source.
    field : str or None
        The JSON field that holds the text; None: the line is the text.
    bytes_read : int
        Bytes of text so far, after decompression.
    """

    def __init__(
        self, path: str, reading: Reading | None = None, *, longest: float = math.inf
    ) -> None:
        self._reading = Reading() if reading is None else reading
        self._source = file_or_stdin(path, self._reading)
        self._longest = longest
        self.name = self._source.name
        self.field = self._reading.field
        if self.field is None and is_json_lines(self.name):
            self.field = DEFAULT_FIELD
        self.bytes_read = 0

    def blocks(self) -> Iterator[list[Record | BadRecord]]:
        """Yield the records that end in what has come, as soon as it has come; no empty list.

        Raises
        ------
        CorpusError
            When the source cannot be opened or read, and for a line that is too long.
        """
        number = 0
        chunks = self._chunks()
        reading = self._reading
        if not reading.has_ascii_line_ends:
            chunks = text_blocks(chunks, self.name, reading)
            reading = Reading()
        utf8 = reading.utf8
        as_it_is = utf8 and reading.errors == "strict"
        for lines in split_lines(chunks, self.name, self._longest):
            block = []
            for line in lines:
                number += 1
                if utf8 and (number == 1 or self.field is not None):
                    line = line.removeprefix(BYTE_ORDER_MARK)
                if self.field is None or line.strip():
                    block.append(self._record(number, line, reading, as_it_is))
            if block:
                yield block

    def _chunks(self) -> Iterator[bytes]:
        for chunk in self._source.chunks():
            self.bytes_read += len(chunk)
            yield chunk

    def _record(
        self, number: int, raw: bytes, reading: Reading, as_it_is: bool
    ) -> Record | BadRecord:
        line = raw.rstrip(_LINE_ENDS)
        try:
            text = decode_line(line, reading)
            if not as_it_is:
                line = text.encode("utf-8")
            if self.field is None:
                return Record(number, raw, line, text)
            fields = parse_record(text, self.field)
        except CorpusError as error:
            plain = f", leave {setting('field')} out for plain text"
            if self.field is None or is_json_lines(self.name):
                plain = ""
            return BadRecord(number, f"{error}{plain}")
        return Record(number, raw, line, fields[self.field], fields)
