"""What is written for a record: the line as it was, columns, a JSON object, or a row of a table."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from fastlm.errors import ConfigError, CorpusError
from fastlm.inference.scores import SCORE_FIGURES, Score
from fastlm.jobs.scored import Scored
from fastlm.system.json_values import finite_values
from fastlm.text.records import BadRecord, Block, Record, RecordReader
from fastlm.text.tables import arrow
from fastlm.types import DEFAULT_FIELD

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Form", "Item", "Rows"]

_WHOLE = ("tokens", "oov", "chars", "bytes")


class Item(NamedTuple):
    """A record that is written.

    Attributes
    ----------
    place : int
        In its block.
    scored : Scored
    extra : dict
        What is added besides the scores: the bucket, or why it was left out.
    """

    place: int
    scored: Scored
    extra: Mapping[str, Any]


@dataclass(frozen=True)
class Form:
    """How records are written.

    Attributes
    ----------
    columns : sequence of str
        The figures of a score that are added; none: the record as it was.
    extra : sequence of str
        Names of what is added besides, as `Item.extra` has them.
    prefix : str
        Comes before all these names.
    tabs : bool
        Lines of text become columns between tabs; without it, JSON objects.
    """

    columns: Sequence[str] = SCORE_FIGURES
    extra: Sequence[str] = ()
    prefix: str = ""
    tabs: bool = False

    @property
    def added(self) -> list[str]:
        """The names of what is added to a record."""
        return [self.prefix + name for name in (*self.columns, *self.extra)]

    def values(self, item: Item) -> dict[str, Any]:
        """Return what is added to a record, as JSON has it."""
        score = item.scored.score
        values: dict[str, Any] = dict.fromkeys(self.columns)
        if score is not None:
            values |= finite_values({name: getattr(score, name) for name in self.columns})
            if self.columns and score.token_strings is not None:
                of_tokens = score.to_dict().items()
                values |= {name: value for name, value in of_tokens if name not in SCORE_FIGURES}
        values |= {name: item.extra.get(name) for name in self.extra}
        return {self.prefix + name: value for name, value in values.items()}

    def lines(self, reader: RecordReader, block: Block, items: Sequence[Item]) -> Iterator[bytes]:
        """Yield the records as bytes, in parts, since a line may be large.

        Raises
        ------
        ConfigError
            Where a record has a field of a name that would be added.
        """
        if block.rows is not None:
            yield from self._json_rows(block.rows, items)
            return
        for item in items:
            record = item.scored.record
            if not self.added:
                yield record.raw
            elif isinstance(record, BadRecord):
                yield from _bad_line(record, self.values(item))
            elif record.fields is not None:
                yield from self._with_values(reader, record, self.values(item))
            elif self.tabs and item.scored.score is not None:
                yield from _columns(record, item.scored.score)
            else:
                yield _json({DEFAULT_FIELD: record.text} | self.values(item))
                yield b"\n"

    def _with_values(
        self, reader: RecordReader, record: Record, values: dict[str, Any]
    ) -> Iterator[bytes]:
        """Yield the JSON object as it was, with the values added at its end."""
        taken = sorted(values.keys() & (record.fields or {}).keys())
        if taken:
            raise _taken(f"{reader.name}, line {record.number}", "a field", taken[0])
        # The fields are not written anew, so that not a digit of them changes.
        yield record.line.rstrip().removesuffix(b"}")
        yield b", "
        yield _json(values)[1:]
        yield b"\n"

    def _json_rows(self, rows: pa.RecordBatch, items: Sequence[Item]) -> Iterator[bytes]:
        kept = rows.take(arrow().array([item.place for item in items], "int64"))
        for item, fields in zip(items, kept.to_pylist(), strict=True):
            yield _json(finite_values(fields) | (self.values(item) if self.added else {}))
            yield b"\n"


def _taken(where: str, what: str, name: str) -> ConfigError:
    return ConfigError(
        f"{where} has {what} {name!r} already; choose other names for the scores, e.g. with "
        "--prefix lm_"
    )


def _columns(record: Record, score: Score) -> tuple[bytes, ...]:
    numbers = f"{score.perplexity:.6g}\t{score.log_prob:.6g}\t{score.tokens}\t{score.oov}\t"
    return numbers.encode("ascii"), record.line, b"\n"


def _bad_line(record: BadRecord, values: dict[str, Any]) -> tuple[bytes, ...]:
    raw = record.raw.decode("utf-8", errors="replace")
    return _json({"line": record.number, "raw": raw} | values), b"\n"


def _json(fields: dict[str, Any]) -> bytes:
    # `str` is for what JSON has no type for: dates, decimals, bytes.
    text = json.dumps(fields, ensure_ascii=False, allow_nan=False, default=str)
    return text.encode("utf-8", errors="backslashreplace")


class Rows:
    """The records as rows of a table: their columns and types, and what is added.

    Parameters
    ----------
    readers : sequence of RecordReader
        Tables of the same columns, or text, or JSON lines; of the latter the first block says which
        columns there are.
    form : Form

    Raises
    ------
    CorpusError, ConfigError
        For tables of several kinds, and a column that there is already.
    """

    def __init__(self, readers: Sequence[RecordReader], form: Form) -> None:
        pa = arrow(what="a Parquet file")
        self._form = form
        schemas = [_schema(reader) for reader in readers]
        for reader, schema in zip(readers, schemas, strict=True):
            if not schema.equals(schemas[0]):
                raise CorpusError(
                    f"{reader.name} has other columns than {readers[0].name}, "
                    f"{_difference(schema, schemas[0])}; write an output for each"
                )
        self._source = schemas[0]
        self.schema = self._source
        for name in form.added:
            if name in self._source.names:
                raise _taken(readers[0].name, "a column", name)
            kind = pa.string() if name.removeprefix(form.prefix) in form.extra else pa.float64()
            kind = pa.int64() if name.removeprefix(form.prefix) in _WHOLE else kind
            self.schema = self.schema.append(pa.field(name, kind))

    def batch(self, reader: RecordReader, block: Block, items: Sequence[Item]) -> pa.RecordBatch:
        """Return records as rows.

        Raises
        ------
        CorpusError
            For a JSON line whose fields do not fit into the columns.
        """
        pa = arrow()
        if block.rows is not None:
            kept = block.rows.take(pa.array([item.place for item in items], "int64"))
            arrays = list(kept.columns)
        else:
            kept = self._from_lines(reader, [item.scored.record for item in items])
            arrays = list(kept.columns)
        for name in self._form.columns:
            scores = (item.scored.score for item in items)
            values = [None if score is None else _or_null(getattr(score, name)) for score in scores]
            arrays.append(pa.array(values, pa.int64() if name in _WHOLE else pa.float64()))
        for name in self._form.extra:
            arrays.append(pa.array([item.extra.get(name) for item in items], pa.string()))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _from_lines(self, reader: RecordReader, records: Iterable[Record | BadRecord]) -> Any:
        pa = arrow()
        if reader.field is None:
            texts = [
                record.raw.decode("utf-8", "replace")
                if isinstance(record, BadRecord)
                else record.text
                for record in records
            ]
            return pa.RecordBatch.from_arrays([pa.array(texts, pa.string())], schema=self._source)
        names = set(self._source.names)
        fields = []
        for record in records:
            of_record = {} if isinstance(record, BadRecord) else record.fields or {}
            if not of_record.keys() <= names:
                other = next(name for name in of_record if name not in names)
                raise _no_column(reader, record, f"the first lines have no field {other[:40]!r}")
            fields.append(of_record)
        try:
            return pa.RecordBatch.from_pylist(fields, schema=self._source)
        except (pa.ArrowException, TypeError, OverflowError) as error:
            reason = " ".join(str(error).split())[:80]
            raise CorpusError(
                f"{reader.name} cannot be written as a table: {reason}; write JSON lines, with -o "
                "FILE.jsonl"
            ) from None


def _or_null(value: Any) -> Any:
    """Return None for NaN, which is no figure."""
    return None if isinstance(value, float) and math.isnan(value) else value


def _no_column(reader: RecordReader, record: Any, problem: str) -> CorpusError:
    return CorpusError(
        f"{reader.name}, line {record.number} does not fit into the table: {problem}; write JSON "
        "lines, with -o FILE.jsonl"
    )


def _schema(reader: RecordReader) -> Any:
    pa = arrow()
    if reader.table is not None:
        return reader.table.schema()
    if reader.field is None:
        return pa.schema([(DEFAULT_FIELD, pa.string())])
    for block in reader.blocks():
        records = [record for record in block.parse() if isinstance(record, Record)]
        names = dict.fromkeys(name for record in records for name in record.fields or {})
        rows = [dict.fromkeys(names) | (record.fields or {}) for record in records]
        try:
            return pa.RecordBatch.from_pylist(rows).schema if rows else pa.schema([])
        except (pa.ArrowException, TypeError, OverflowError) as error:
            reason = " ".join(str(error).split())[:80]
            raise CorpusError(
                f"{reader.name} has fields of several types: {reason}; write JSON lines, with -o "
                "FILE.jsonl"
            ) from None
    return pa.schema([])


def _difference(schema: Any, first: Any) -> str:
    """Say what one schema has that another does not."""
    other = [field for field in schema if field not in list(first)]
    lacking = [name for name in first.names if name not in schema.names]
    field = [*other, *lacking, "their order"][0]
    return f"such as {str(field)[:60]}"
