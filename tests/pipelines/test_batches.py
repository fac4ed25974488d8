"""Batches of every kind come back as they were, with columns added."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from fastlm.errors import ConfigError, CorpusError, MissingLibraryError
from fastlm.pipelines import batches
from fastlm.pipelines.batches import add_columns, map_column, text_list

TEXTS = ["a", None, "bcd"]


def sizes(texts) -> list:
    return [None if text is None else len(text) for text in texts]


def make(texts) -> dict:
    return {
        "size": [None if text is None else float(len(text)) for text in texts],
        "upper": [None if text is None else text.upper() for text in texts],
    }


def added(batch):
    return add_columns(batch, "text", make)


def test_columns_of_lists():
    batch = {"text": list(TEXTS), "n": [1, 2, 3]}
    assert added(batch) == {**batch, "size": [1.0, None, 3.0], "upper": ["A", None, "BCD"]}
    assert list(batch) == ["text", "n"]
    assert added({"text": ()}) == {"text": (), "size": [], "upper": []}


def test_columns_of_arrays():
    found = added({"text": np.array(TEXTS, dtype=object)})
    np.testing.assert_array_equal(found["size"], [1, np.nan, 3])
    assert found["upper"].tolist() == ["A", None, "BCD"]
    found = add_columns({"text": np.array(["a", "bc"])}, "text", lambda texts: {"n": sizes(texts)})
    assert found["n"].dtype == np.int64
    assert added({"text": np.array([], dtype=object)})["size"].dtype == np.float64


def test_rows():
    rows = [{"text": "a", "n": 1}, {"text": None, "n": 2}]
    assert added(rows) == [
        {"text": "a", "n": 1, "size": 1.0, "upper": "A"},
        {"text": None, "n": 2, "size": None, "upper": None},
    ]
    assert list(rows[0]) == ["text", "n"]
    assert added([]) == []


@pytest.mark.parametrize("kind", ["table", "record_batch"])
def test_arrow(kind):
    pa = pytest.importorskip("pyarrow")
    batch = getattr(pa, kind)({"text": pa.array(TEXTS), "n": pa.array([1, 2, 3], pa.int8())})
    found = added(batch)
    assert type(found) is type(batch)
    assert found.schema.field("n").type == pa.int8()
    assert found.select(["size", "upper"]).to_pydict() == make(TEXTS)
    chunked = pa.chunked_array([["a"], [None, "bcd"]])
    assert added(pa.table({"text": chunked}))["size"].to_pylist() == [1.0, None, 3.0]
    large = pa.table({"text": pa.array(TEXTS, pa.large_string()).dictionary_encode()})
    assert added(large)["size"].to_pylist() == [1.0, None, 3.0]


def test_what_exports_an_arrow_stream_comes_back_as_a_table():
    pa = pytest.importorskip("pyarrow")

    class Exporter:
        def __init__(self, table):
            self.table = table

        def __arrow_c_stream__(self, schema=None):
            return self.table.__arrow_c_stream__(schema)

    found = added(Exporter(pa.table({"text": TEXTS})))
    assert isinstance(found, pa.Table)
    assert found["upper"].to_pylist() == ["A", None, "BCD"]


@pytest.mark.parametrize("dtype", [None, "object", "string"])
def test_pandas(dtype):
    pandas = pytest.importorskip("pandas")
    pytest.importorskip("narwhals")
    index = [30, 10, 20]
    frame = pandas.DataFrame({"text": pandas.Series(TEXTS, index=index, dtype=dtype)})
    frame["n"] = [1, 2, 3]
    found = added(frame)
    assert type(found) is pandas.DataFrame
    assert found.index.tolist() == index
    assert list(found.columns) == ["text", "n", "size", "upper"]
    assert found["size"].isna().tolist() == [False, True, False]
    assert found.loc[20, "size"] == 3.0
    assert found.loc[30, "upper"] == "A"
    assert list(frame.columns) == ["text", "n"]
    nan = pandas.DataFrame({"text": ["a", float("nan"), pandas.NA]}, dtype=object)
    assert added(nan)["size"].isna().tolist() == [False, True, True]
    assert len(added(frame.iloc[:0])) == 0


def test_polars():
    polars = pytest.importorskip("polars")
    pytest.importorskip("narwhals")
    frame = polars.DataFrame({"text": TEXTS, "n": [1, 2, 3]})
    found = added(frame)
    assert isinstance(found, polars.DataFrame)
    assert found.to_dict(as_series=False) == {"text": TEXTS, "n": [1, 2, 3], **make(TEXTS)}
    with pytest.raises(CorpusError, match="a batch is LazyFrame; give one that is in memory"):
        added(frame.lazy())


def test_columns_alone():
    def double(texts):
        return [None if size is None else size * 2.0 for size in sizes(texts)]

    assert map_column(TEXTS, double) == [2.0, None, 6.0]
    np.testing.assert_array_equal(map_column(np.array(TEXTS, dtype=object), double), [2, np.nan, 6])
    pa = pytest.importorskip("pyarrow")
    assert map_column(pa.array(TEXTS), double) == pa.array([2.0, None, 6.0])
    assert map_column(pa.chunked_array([TEXTS]), double) == pa.array([2.0, None, 6.0])
    polars = pytest.importorskip("polars")
    found = map_column(polars.Series("t", TEXTS), double)
    assert (found.name, found.to_list()) == ("t", [2.0, None, 6.0])
    pandas = pytest.importorskip("pandas")
    found = map_column(pandas.Series(TEXTS, index=[5, 6, 7], name="t"), double)
    assert (found.index.tolist(), found.name, found[7]) == ([5, 6, 7], "t", 6.0)


@pytest.mark.parametrize("kind", ["dict", "rows", "pyarrow", "pandas", "polars"])
def test_columns_that_are_not_there_or_there_already(kind):
    def batch_of(columns):
        if kind == "dict":
            return columns
        if kind == "rows":
            return [{name: values[0] for name, values in columns.items()}]
        module = pytest.importorskip(kind)
        return module.table(columns) if kind == "pyarrow" else module.DataFrame(columns)

    with pytest.raises(CorpusError, match=r"no column 'text' \(it has 'body', 'n'\); .* field"):
        added(batch_of({"body": ["a"], "n": [1]}))
    with pytest.raises(ConfigError, match=r"has a column 'size' already; .* prefix"):
        added(batch_of({"text": ["a"], "size": [1]}))
    with pytest.raises(CorpusError, match="and 92 more") as caught:
        added(batch_of({f"column {number}": ["a"] for number in range(100)}))
    assert len(str(caught.value)) < 250


def test_what_is_no_batch():
    for batch in (3, "text", ["a", "b"], None):
        with pytest.raises(CorpusError, match=r"a batch is .*; give a dict of columns"):
            added(batch)


def test_missing_values_are_none():
    assert text_list(["a", None, float("nan")]) == ["a", None, None]
    assert text_list(("a",)) == ["a"]
    assert text_list(np.array(["a", None], dtype=object)) == ["a", None]
    assert text_list([3, "a"]) == [3, "a"]


def test_without_the_libraries(monkeypatch):
    class Frame:
        columns = ("text",)  # of pandas and others it is a property

    class Exporter:
        __arrow_c_stream__ = None

    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(batches, "import_module", absent)
    with pytest.raises(MissingLibraryError, match="type Frame needs narwhals; run pip install nar"):
        added(Frame())
    with pytest.raises(MissingLibraryError, match="needs pyarrow; run pip install pyarrow"):
        added(Exporter())
    assert importlib.import_module("fastlm.pipelines.batches") is batches
