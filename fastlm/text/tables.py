"""Tables: the rows of Parquet, Arrow, CSV and TSV files, read through pyarrow.

Memory holds some megabytes of a file, whatever its row groups are.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastlm.errors import CorpusError, MissingLibraryError
from fastlm.text.compression import plain_suffix
from fastlm.text.decoding import Reading, normalize_line_ends, text_blocks
from fastlm.text.json_lines import decode_line
from fastlm.text.sources import STDIN, FileInput, Note, PathInput, StdinInput, TextPart
from fastlm.types import DEFAULT_FIELD, FilePath
from fastlm.wording import install, setting

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["MOST_ROWS", "TableInput", "arrow", "file_input", "input_of", "is_table"]

MOST_ROWS = 4096
"""Rows of a batch at most."""

_PARQUET = (".parquet", ".pq")
_ARROW = (".arrow", ".arrows", ".feather", ".ipc")
_SEPARATORS = {".csv": ",", ".tsv": "\t"}

# Bytes of a batch, as the sizes in a Parquet file let expect; bytes of a Parquet file, and of text
# between separators, that are read at a time. A row of CSV is no larger than such a block.
_BATCH_BYTES = 1 << 22
_BUFFER_BYTES = 1 << 20
_BLOCK_BYTES = 1 << 23

_SHOWN = 100  # characters of a message of pyarrow
_SHOWN_NAMES = 8


def is_table(name: str, field: str | None = None) -> bool:
    """Tell whether a file is read as a table, as its name says.

    CSV and TSV are plain text unless a field is given: the name of the column.
    """
    suffix = Path(name).suffix.lower()
    if suffix in _PARQUET or suffix in _ARROW:
        return True
    return field is not None and plain_suffix(name) in _SEPARATORS


def arrow(module: str = "pyarrow", what: str = "a table") -> Any:
    """Return a module of pyarrow; raise MissingLibraryError where it is not installed.

    Parameters
    ----------
    module : str
        Such as "pyarrow.parquet".
    what : str
        For the message: what needs it.
    """
    try:
        return import_module(module)
    except ImportError:
        raise MissingLibraryError(f"{what} needs pyarrow; run {install('pyarrow')}") from None


class TableInput(PathInput):
    """A table in a file, with a column of text: each row is a text, as a JSON record is.

    As a corpus (`parts`), rows that are null or empty are left out; so are, with
    `Reading.skip_bad`, those that are not UTF-8.

    Parameters
    ----------
    path : path
        Its name says what it is: .parquet, .pq; .arrow, .arrows, .feather, .ipc (the file and the
        stream format); .csv, .tsv, also .gz and .zst. Of the latter all columns are strings.
    reading : Reading
        Its field is the name of the column; None: "text".
    in_folder : bool
        See `Input`.

    Attributes
    ----------
    field : str
        The name of the column.
    skipped : int
        Rows between separators that were left out, since they do not have as many values as there
        are columns (`Reading.skip_bad`).

    Raises
    ------
    CorpusError
        From all methods: for a file that is not there or is damaged.
    MissingLibraryError
        Where pyarrow is not installed.
    """

    def __init__(self, path: FilePath, reading: Reading, *, in_folder: bool = False) -> None:
        super().__init__(path, in_folder=in_folder)
        self.reading = reading
        self.field = DEFAULT_FIELD if reading.field is None else reading.field
        self.skipped = 0
        self._bad = self._null = 0
        self._first_bad = ""
        self._is_empty = False
        suffix = Path(self.name).suffix.lower()
        separator = _SEPARATORS.get(plain_suffix(self.name))
        self._open: Callable[[list[str] | None, int], Any]
        if suffix in _PARQUET:
            self._open = self._parquet
        elif separator is None:
            self._open = self._arrow
        else:
            self._separator = separator
            self._open = self._separated

    def schema(self) -> pa.Schema:
        """Return the columns and their types, after a check of that of the text.

        Raises
        ------
        CorpusError
            Besides, where there is no column of that name, or one that is no text.
        """
        with self._told(), closing(self._open(None, 0)) as batches:
            schema = next(batches)
        self._check(schema)
        return schema

    def batches(self, *, only_text: bool = False, skip: int = 0) -> Iterator[pa.RecordBatch]:
        """Yield the rows in batches of `MOST_ROWS` at most, always cut at the same places.

        Parameters
        ----------
        only_text : bool
            Whether to read no other column.
        skip : int
            Rows to leave out.
        """
        if only_text:
            self.schema()
        self.skipped = 0
        with self._told(), closing(self._open([self.field] if only_text else None, skip)) as found:
            self._check(next(found))
            for batch in found:
                if skip >= batch.num_rows:
                    skip -= batch.num_rows
                    continue
                for start in range(0, batch.num_rows, MOST_ROWS):
                    piece = batch.slice(start, MOST_ROWS)
                    if skip >= piece.num_rows:
                        skip -= piece.num_rows
                        continue
                    yield piece.slice(skip) if skip else piece
                    skip = 0
        self.bytes_read = self.size or 0

    def texts(self, batch: pa.RecordBatch) -> list[bytes | None]:
        """Return the text of each row as bytes, which may not be UTF-8; None for null."""
        pa = arrow()
        column = batch.column(batch.schema.names.index(self.field))
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        if not pa.types.is_null(column.type):
            column = column.cast(pa.large_string()).cast(pa.large_binary())
        texts: list[bytes | None] = column.to_pylist()
        return texts

    @property
    def notes(self) -> list[Note]:
        """See `Input.notes`."""
        notes = super().notes
        bad = self._bad + self.skipped
        if bad:
            first = f", the first: {self._first_bad}" if self._first_bad else ""
            skipped = f"{_rows(bad)} left out"
            notes.append(Note(f"{skipped}{first}", skipped))
        if self._null:
            rows = "1 row" if self._null == 1 else f"{self._null:,} rows"
            notes.append(Note.on_file(self.name, f"has {rows} without text"))
        if self._is_empty:
            notes.append(Note.on_file(self.name, "holds no text and was left out"))
        return notes

    def parts(self, *, trusted: bool = False) -> Iterator[TextPart]:
        """See `Input.parts`."""
        self._bad = self._null = 0
        self._first_bad = ""
        as_utf8 = Reading(errors=self.reading.errors)
        empty = True
        number = 0
        for batch in self.batches(only_text=True):
            for data in self.texts(batch):
                number += 1
                if data is None:
                    self._null += 1
                    continue
                if not trusted or self.reading.errors != "strict":
                    try:
                        data = decode_line(data, as_utf8).encode("utf-8")
                    except CorpusError as error:
                        self._add_bad(f"{self.name}, row {number}: {error}")
                        continue
                if data:
                    empty = False
                    yield TextPart(normalize_line_ends(data), True)
        self._is_empty = empty
        if empty and not self.in_folder:
            raise CorpusError(
                f"{self.name} holds no text in its column {self.field!r}; name a column that does "
                f"with {setting('field')}"
            )

    def _add_bad(self, problem: str) -> None:
        if not self.reading.skip_bad:
            raise CorpusError(f"{problem}; or leave such rows out with {setting('skip_bad', True)}")
        self._first_bad = self._first_bad or problem
        self._bad += 1

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Make one line of the errors of pyarrow."""
        pa = arrow(what=self.name)
        try:
            yield
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            reason = " ".join(str(error).split())[:_SHOWN]
            more = ""
            if "straddl" in reason:
                more = f" (a row has {_BLOCK_BYTES >> 20} MB at most)"
            raise CorpusError(
                f"{self.name} cannot be read as {self._what()}: {reason}{more}; get another copy, "
                "or write it anew"
            ) from None

    def _what(self) -> str:
        return "a table" if self._open == self._separated else Path(self.name).suffix.lower()

    def _check(self, schema: pa.Schema) -> None:
        pa = arrow()
        names = schema.names
        if names.count(self.field) != 1:
            has = ", ".join(map(repr, names[:_SHOWN_NAMES])) or "none"
            more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
            no = "two columns" if self.field in names else "no column"
            raise CorpusError(
                f"{self.name} has {no} {self.field!r} (it has {has}{more}); name that of the text "
                f"with {setting('field')}"
            )
        kind = schema.field(self.field).type
        of_values = kind.value_type if pa.types.is_dictionary(kind) else kind
        is_view = getattr(pa.types, "is_string_view", lambda kind: False)
        tests = (pa.types.is_string, pa.types.is_large_string, pa.types.is_null, is_view)
        if not any(test(of_values) for test in tests):
            raise CorpusError(
                f"{self.name}: column {self.field!r} is {str(kind)[: _SHOWN_NAMES * 4]}, not text; "
                f"name that of the text with {setting('field')}"
            )

    # Each yields the schema first, then batches; a row group that is skipped as `_Skipped`.

    def _parquet(self, columns: list[str] | None, skip: int) -> Iterator[Any]:
        parquet = arrow("pyarrow.parquet", self.name)
        with self._opened():
            pass  # says why it cannot be opened
        # Pages come one by one; of a path, not an open file, pyarrow reads whole row groups ahead.
        with (
            arrow().OSFile(self.name) as file,
            parquet.ParquetFile(file, buffer_size=_BUFFER_BYTES, pre_buffer=False) as source,
        ):
            yield source.schema_arrow
            done, total = 0, max(source.metadata.num_rows, 1)
            for group in range(source.num_row_groups):
                about = source.metadata.row_group(group)
                rows = max(about.num_rows, 1)
                if skip >= about.num_rows:
                    skip -= about.num_rows
                    done += about.num_rows
                    yield _Skipped(about.num_rows)
                    continue
                skip = 0
                size = min(max(_BATCH_BYTES * rows // max(about.total_byte_size, 1), 1), MOST_ROWS)
                for batch in source.iter_batches(
                    size, row_groups=[group], columns=columns, use_threads=False
                ):
                    done += batch.num_rows
                    self.bytes_read = (self.size or 0) * done // total
                    yield batch

    def _arrow(self, columns: list[str] | None, skip: int) -> Iterator[Any]:
        pa = arrow(what=self.name)
        ipc = arrow("pyarrow.ipc", self.name)
        with self._opened() as opened:
            is_file = opened.read(6) == b"ARROW1"
        # Mapped, so that of a large batch only the rows in use are read.
        with closing(pa.memory_map(self.name)) as file:
            source = ipc.open_file(file) if is_file else ipc.open_stream(file)
            yield source.schema
            if is_file:
                batches = map(source.get_batch, range(source.num_record_batches))
            else:
                batches = iter(source)
            for batch in batches:
                self.bytes_read = file.tell()
                yield batch if columns is None else batch.select(columns)

    def _separated(self, columns: list[str] | None, skip: int) -> Iterator[Any]:
        csv = arrow("pyarrow.csv", self.name)
        pa = arrow()
        with closing(self._csv(csv, lambda row: "skip")) as source:
            names = source.schema.names
        strings = csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.string()), include_columns=columns
        )
        with closing(self._csv(csv, self._bad_row, strings)) as source:
            yield source.schema
            yield from source

    def _bad_row(self, row: Any) -> str:
        if not self.reading.skip_bad:
            return "error"
        self.skipped += 1
        return "skip"

    def _csv(self, csv: Any, bad_row: Callable[[Any], str], convert: Any = None) -> Any:
        """Open the rows as they come, decompressed and in UTF-8."""
        source = FileInput(self.path, Reading(encoding=self.reading.encoding))
        chunks: Iterator[bytes] = source.chunks()
        if not self.reading.utf8 or self.reading.errors != "strict":
            reading = Reading(encoding=self.reading.encoding, errors=self.reading.errors)
            chunks = text_blocks(chunks, self.name, reading)

        def progress() -> Iterator[bytes]:
            for chunk in chunks:
                self.bytes_read = source.bytes_read
                yield chunk

        return csv.open_csv(
            io.BufferedReader(_Chunks(progress()), _BUFFER_BYTES),
            read_options=csv.ReadOptions(block_size=_BLOCK_BYTES, use_threads=False),
            parse_options=csv.ParseOptions(
                delimiter=self._separator, newlines_in_values=True, invalid_row_handler=bad_row
            ),
            convert_options=convert,
        )


class _Skipped:
    """Rows that need not be read, in place of their batch."""

    def __init__(self, rows: int) -> None:
        self.num_rows = rows


class _Chunks(io.RawIOBase):
    """Chunks of bytes as a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._source = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            chunk = next(self._source, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

    def close(self) -> None:
        with suppress(Exception):
            self._source.close()  # type: ignore[attr-defined]
        super().close()


def _rows(number: int) -> str:
    return "1 row was" if number == 1 else f"{number:,} rows were"


def file_input(path: FilePath, reading: Reading, *, in_folder: bool = False) -> PathInput:
    """Return the source of a file: a table or not, as its name says."""
    kind = TableInput if is_table(str(path), reading.field) else FileInput
    return kind(path, reading, in_folder=in_folder)


def input_of(path: FilePath, reading: Reading) -> PathInput | StdinInput:
    """Return the source that a path names: a file, or standard input for "-"."""
    return StdinInput(reading) if str(path) == STDIN else file_input(path, reading)
