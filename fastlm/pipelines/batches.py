"""Batches of every kind: their column of text, and the same batch with columns added.

Kinds are told by what they can do, not by the library that they are of:

- a mapping of columns (lists, arrays of NumPy or Arrow), or a list of mappings;
- what has the methods of pyarrow's tables and record batches;
- what narwhals takes: data frames of pandas, Polars and others;
- what exports an Arrow stream (the PyCapsule interface): it comes back as a table of pyarrow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, TypeAlias

import numpy as np

from fastlm.errors import ConfigError, CorpusError, MissingLibraryError
from fastlm.wording import install

__all__ = ["Column", "add_columns", "map_column", "text_list"]

Column: TypeAlias = Sequence[Any]
"""Values of a new column: floats, ints or strings, and None."""

_Make: TypeAlias = Callable[[list[Any]], Mapping[str, Column]]

_SHOWN_NAMES = 8


def add_columns(batch: Any, field: str, make: _Make) -> Any:
    """Return a batch with the columns that are made of its texts.

    Parameters
    ----------
    batch : Any
        See the module.
    field : str
        The name of the column of text.
    make : callable
        Takes the texts, with None for what is missing, and returns the new columns by name.

    Raises
    ------
    CorpusError
        For a batch without the column, or of another kind, or with a column of a new name.
    MissingLibraryError
        For a data frame, where narwhals is not installed.
    """
    if isinstance(batch, Mapping):
        columns = dict(batch)
        _check(columns, field)
        values = columns[field]
        new = _new_columns(columns, make(text_list(values)))
        is_array = isinstance(values, np.ndarray)
        return columns | {name: _array(new[name]) if is_array else list(new[name]) for name in new}
    if isinstance(batch, list | tuple) and all(isinstance(row, Mapping) for row in batch):
        return _add_to_rows(batch, field, make)
    if hasattr(batch, "append_column") and hasattr(batch, "schema"):
        return _add_to_arrow(batch, field, make)
    if hasattr(type(batch), "columns") or hasattr(batch, "__narwhals_dataframe__"):
        return _add_to_frame(batch, field, make)
    if hasattr(batch, "__arrow_c_stream__") or hasattr(batch, "__arrow_c_array__"):
        return _add_to_arrow(_arrow("table")(batch), field, make)
    raise CorpusError(
        f"a batch is {type(batch).__name__}; give a dict of columns, a list of dicts, a data frame "
        "or an Arrow table"
    )


def map_column(values: Any, make: Callable[[list[Any]], Column]) -> Any:
    """Return a column made of a column of texts, of the same kind: a list, an array, a series."""
    if isinstance(values, np.ndarray):
        return _array(make(text_list(values)))
    if isinstance(values, list | tuple):
        return list(make(text_list(values)))
    if hasattr(values, "to_pylist"):
        return _arrow("array")(make(values.to_pylist()))
    narwhals = _narwhals(values)
    series = narwhals.from_native(values, series_only=True)
    return _series(narwhals, series, series.name, make(_texts_of(series))).to_native()


def text_list(values: Any) -> list[Any]:
    """Return the values of a column as a list, with None for what is missing."""
    if hasattr(values, "to_pylist"):
        found: list[Any] = values.to_pylist()
        return found
    if not isinstance(values, list):
        values = values.tolist() if hasattr(values, "tolist") else list(values)
    # NaN, which stands for a missing value in arrays of objects, differs from itself.
    return [
        None if not isinstance(value, str) and _is_missing(value) else value for value in values
    ]


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)


def _check(names: Any, field: str) -> None:
    names = list(names)
    if field not in names:
        has = ", ".join(repr(str(name)[:40]) for name in names[:_SHOWN_NAMES]) or "none"
        more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
        raise CorpusError(
            f"the batch has no column {field!r} (it has {has}{more}); name that of the text with "
            "field"
        )


def _new_columns(names: Any, new: Mapping[str, Column]) -> Mapping[str, Column]:
    for name in new:
        if name in names:
            raise ConfigError(
                f"the batch has a column {name!r} already; choose other names with prefix"
            )
    return new


def _array(values: Column) -> Any:
    """Return an array; NaN is what is missing among numbers."""
    if any(isinstance(value, str) for value in values):
        return np.array(values, dtype=object)
    if any(value is None for value in values) or not len(values):
        return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return np.array(values)


def _add_to_rows(rows: Sequence[Mapping[str, Any]], field: str, make: _Make) -> list[Any]:
    for row in rows:
        _check(row, field)
    new = make(text_list([row[field] for row in rows]))
    for row in rows:
        _new_columns(row, new)
    return [dict(row) | {name: new[name][place] for name in new} for place, row in enumerate(rows)]


def _add_to_arrow(batch: Any, field: str, make: _Make) -> Any:
    names = batch.schema.names
    _check(names, field)
    array = _arrow("array")
    for name, values in _new_columns(names, make(batch.column(field).to_pylist())).items():
        batch = batch.append_column(name, array(values))
    return batch


def _add_to_frame(batch: Any, field: str, make: _Make) -> Any:
    narwhals = _narwhals(batch)
    try:
        frame = narwhals.from_native(batch, eager_only=True)
    except TypeError:
        raise CorpusError(
            f"a batch is {type(batch).__name__}; give one that is in memory, such as the parts "
            "that map_batches or map_partitions hands over"
        ) from None
    _check(frame.columns, field)
    texts = _texts_of(frame[field])
    new = _new_columns(frame.columns, make(texts))
    series = [_series(narwhals, frame[field], name, values) for name, values in new.items()]
    return frame.with_columns(series).to_native()


def _texts_of(series: Any) -> list[Any]:
    missing = series.is_null().to_list()
    values = series.to_list()
    return text_list([None if null else value for null, value in zip(missing, values, strict=True)])


def _series(narwhals: Any, like: Any, name: str, values: Column) -> Any:
    """Return a series of the kind of another, with its index, where there is one."""
    types = {float: narwhals.Float64, int: narwhals.Int64, str: narwhals.String}
    kinds = {type(value) for value in values if value is not None}
    dtype = types[kinds.pop()] if len(kinds) == 1 else narwhals.Float64
    if dtype is narwhals.Int64 and any(value is None for value in values):
        dtype = narwhals.Float64  # not all libraries have whole numbers that may be missing
    new = narwhals.new_series(name, list(values), dtype, backend=like.implementation)
    index = narwhals.maybe_get_index(like)
    return new if index is None else narwhals.maybe_set_index(new, index=index)


def _narwhals(value: Any) -> Any:
    try:
        return import_module("narwhals")
    except ImportError:
        raise MissingLibraryError(
            f"a batch of type {type(value).__name__} needs narwhals; run {install('narwhals')}"
        ) from None


def _arrow(function: str) -> Any:
    try:
        return getattr(import_module("pyarrow"), function)
    except ImportError:
        raise MissingLibraryError(
            f"a batch of Arrow needs pyarrow; run {install('pyarrow')}"
        ) from None
