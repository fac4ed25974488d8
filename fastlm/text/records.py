"""Records: the lines of a source as they are, one by one, good or bad."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastlm.errors import CorpusError
from fastlm.text.decoding import BYTE_ORDER_MARK, Reading
from fastlm.text.json_lines import decode_line, parse_record, split_lines
from fastlm.text.sources import file_or_stdin

__all__ = ["BadRecord", "Record", "RecordReader"]

# Bytes: a longer line does not fit the memory that reading line by line promises to keep.
_LONGEST_LINE = 1 << 28


@dataclass(frozen=True, slots=True)
class Record:
    """One line.

    Attributes
    ----------
    number : int
        Of the line, from 1.
    raw : bytes
        The line without its line end, as it was.
    text : str
        The text of the record.
    fields : dict or None
        The JSON object, where the lines are JSON.
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


class RecordReader:
    r"""The records of a file or of standard input, read in constant memory.

    Lines end in \n or \r\n. Where they are JSON, empty ones are no records.

    Parameters
    ----------
    path : str
        A file, compressed if its name says so, or "-": standard input.
    field : str or None
        The JSON field that holds the text; None: the line is the text.

    Attributes
    ----------
    name : str
        How messages call the source.
    bytes_read : int
        Bytes of text so far, after decompression.
    """

    def __init__(self, path: str, field: str | None) -> None:
        self._source = file_or_stdin(path, Reading(field=field))
        self.name = self._source.name
        self.field = field
        self.bytes_read = 0

    def blocks(self) -> Iterator[list[Record | BadRecord]]:
        """Yield the records that end in what has come, as soon as it has come; no empty list.

        Raises
        ------
        CorpusError
            When the source cannot be opened or read, and for a line above 268 MB.
        """
        number = 0
        for lines in split_lines(self._chunks(), self.name, _LONGEST_LINE):
            block = []
            for line in lines:
                number += 1
                if self.field is None or line.strip():
                    block.append(self._record(number, line.removesuffix(b"\r")))
            if block:
                yield block

    def _chunks(self) -> Iterator[bytes]:
        for chunk in self._source.chunks():
            self.bytes_read += len(chunk)
            yield chunk

    def _record(self, number: int, raw: bytes) -> Record | BadRecord:
        try:
            text = decode_line(raw.removeprefix(BYTE_ORDER_MARK) if number == 1 else raw)
            if self.field is None:
                return Record(number, raw, text)
            fields = parse_record(text, self.field)
        except CorpusError as error:
            return BadRecord(number, str(error))
        return Record(number, raw, fields[self.field], fields)
