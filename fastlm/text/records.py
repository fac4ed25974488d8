"""Records: the lines or rows of a source, one by one, unchanged; a bad one has its reason."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from fastlm.errors import CorpusError
from fastlm.text.decoding import BYTE_ORDER_MARK, Reading, text_blocks
from fastlm.text.json_lines import decode_line, is_json_lines, parse_record, split_lines
from fastlm.text.sources import ByteInput, Input
from fastlm.text.tables import MOST_ROWS, TableInput, input_of
from fastlm.types import DEFAULT_FIELD
from fastlm.wording import setting

if TYPE_CHECKING:
    from collections.abc import Callable

    import pyarrow as pa

__all__ = ["BadRecord", "Block", "Record", "RecordReader"]

# Bytes of lines after which a block ends; it holds no more records than a batch of a table.
_BLOCK_BYTES = 1 << 22

_LINE_ENDS = b"\r\n"


@dataclass(frozen=True, slots=True)
class Record:
    """One line, or one row of a table.

    Attributes
    ----------
    number : int
        Of the line or row, from 1.
    raw : bytes
        The line as it was, with its line end; the last one may have none. Of a row: nothing.
    line : bytes
        The line in UTF-8, without its line end. Of a row: nothing.
    text : str or None
        The text of the record; None for a null in a table.
    fields : dict or None
        The JSON object, where the lines are JSON.
    """

    number: int
    raw: bytes
    line: bytes
    text: str | None
    fields: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class BadRecord:
    """A line or row that cannot be used, and why.

    Attributes
    ----------
    number : int
    reason : str
    raw : bytes
        The line, or the text of the row.
    """

    number: int
    reason: str
    raw: bytes = b""


@dataclass(frozen=True)
class Block:
    """Consecutive records, parsed when they are asked for.

    Attributes
    ----------
    size : int
        How many there are, bad ones included.
    parse : callable
        Returns them.
    rows : pyarrow.RecordBatch or None
        The same as rows of a table.
    """

    size: int
    parse: Callable[[], list[Record | BadRecord]]
    rows: pa.RecordBatch | None = None


class RecordReader:
    r"""The records of a file or of standard input; memory holds a line and a chunk, or a block.

    Lines end in \n, \r\n or \r, as in every text. Where they are JSON, empty ones are no records. A
    byte order mark at the beginning, or before a JSON object, is no part of a record.

    Parameters
    ----------
    path : str
        A file, compressed if its name says so, or a table, or "-": standard input.
    reading : Reading, optional
        With a field, or a name that says so, the lines are JSON; else a line is the text. Lines of
        an encoding that has other line ends than ASCII, such as UTF-16, become UTF-8.
    longest : float
        Bytes of a line at most.
    source : Input, optional
        What is read in place of the file at the path, such as one that grows.

    Attributes
    ----------
    name : str
        How messages call the source.
    table : TableInput or None
        The table, if it is one.
    unit : str
        What messages call a record: "line" or "row".
    field : str or None
        The JSON field, or the column, that holds the text; None: the line is the text.
    identity : list
        See `fastlm.text.sources.Input`.
    rereadable : bool
        Whether it can be read again.
    """

    def __init__(
        self,
        path: str,
        reading: Reading | None = None,
        *,
        longest: float = math.inf,
        source: Input | None = None,
    ) -> None:
        self._reading = Reading() if reading is None else reading
        self._source = input_of(path, self._reading) if source is None else source
        self._longest = longest
        self._taken = 0
        self.name = self._source.name
        self.table = self._source if isinstance(self._source, TableInput) else None
        self.unit = "line" if self.table is None else "row"
        self.rereadable = self._source.rereadable
        self.identity = self._source.identity()
        self.field = self._reading.field
        if self.table is not None:
            self.field = self.table.field
        elif self.field is None and is_json_lines(self.name):
            self.field = DEFAULT_FIELD

    @property
    def bytes_read(self) -> int:
        """Bytes of text so far, after decompression; of a table, those of its file."""
        return self._taken if self.table is None else self.table.bytes_read

    def blocks(self, *, skip: int = 0, at_once: bool = False) -> Iterator[Block]:
        """Yield the records in blocks, which are always cut at the same places.

        Parameters
        ----------
        skip : int
            Records to leave out: those of whole blocks.
        at_once : bool
            Whether to yield lines as soon as they have come, in blocks of any size.

        Raises
        ------
        CorpusError
            When the source cannot be opened or read, and for a line that is too long.
        """
        if self.table is not None:
            yield from self._rows(self.table, skip)
            return
        reading = self._reading
        if not reading.has_ascii_line_ends:
            reading = Reading()
        parse = partial(self._parsed, reading, reading.utf8 and reading.errors == "strict")
        lines: list[tuple[int, bytes]] = []
        size = 0
        for chunk in self._lines():
            for number, line in chunk:
                if skip:
                    skip -= 1
                    continue
                lines.append((number, line))
                size += len(line)
                if not at_once and (len(lines) == MOST_ROWS or size >= _BLOCK_BYTES):
                    yield Block(len(lines), partial(parse, lines))
                    lines, size = [], 0
            if at_once and lines:
                yield Block(len(lines), partial(parse, lines))
                lines, size = [], 0
        if lines:
            yield Block(len(lines), partial(parse, lines))

    def _lines(self) -> Iterator[list[tuple[int, bytes]]]:
        """Yield the numbers and bytes of lines that are records, as they come."""
        number = 0
        chunks = self._chunks()
        reading = self._reading
        if not reading.has_ascii_line_ends:
            chunks = text_blocks(chunks, self.name, reading)
            reading = Reading()
        utf8 = reading.utf8
        for lines in split_lines(chunks, self.name, self._longest):
            found = []
            for line in lines:
                number += 1
                if utf8 and (number == 1 or self.field is not None):
                    line = line.removeprefix(BYTE_ORDER_MARK)
                if self.field is None or line.strip():
                    found.append((number, line))
            yield found

    def _chunks(self) -> Iterator[bytes]:
        assert isinstance(self._source, ByteInput)
        for chunk in self._source.chunks():
            self._taken += len(chunk)
            yield chunk

    def _parsed(
        self, reading: Reading, as_it_is: bool, lines: list[tuple[int, bytes]]
    ) -> list[Record | BadRecord]:
        return [self._record(number, line, reading, as_it_is) for number, line in lines]

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
            return BadRecord(number, f"{error}{plain}", line)
        return Record(number, raw, line, fields[self.field], fields)

    def _rows(self, table: TableInput, skip: int) -> Iterator[Block]:
        number = skip
        for rows in table.batches(skip=skip):
            yield Block(rows.num_rows, partial(self._of_rows, table, rows, number), rows)
            number += rows.num_rows

    def _of_rows(
        self, table: TableInput, rows: pa.RecordBatch, before: int
    ) -> list[Record | BadRecord]:
        reading = Reading(errors=self._reading.errors)
        records: list[Record | BadRecord] = []
        for number, data in enumerate(table.texts(rows), before + 1):
            try:
                text = None if data is None else decode_line(data, reading)
            except CorpusError as error:
                records.append(BadRecord(number, str(error), data or b""))
            else:
                records.append(Record(number, b"", b"", text))
        return records
