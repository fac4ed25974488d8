"""What is written for records of every kind."""

from __future__ import annotations

import json

import pytest

from fastlm.errors import ConfigError, CorpusError
from fastlm.jobs.forms import Form, Item, Rows
from fastlm.jobs.scored import ModelSet
from tests.inference.models import make_model

from .sources import TEXTS, first_block, reader_of, write_json, write_lines, write_parquet

LM = make_model()


def items_of(reader, extra=None):
    block = first_block(reader)
    scored = ModelSet({"": LM}, threads=1).score(block)
    return block, [Item(place, each, extra or {}) for place, each in enumerate(scored)]


def lines(path, form: Form, extra=None, choose=slice(None)) -> bytes:
    reader = reader_of(path)
    block, items = items_of(reader, extra)
    return b"".join(form.lines(reader, block, items[choose]))


def test_records_as_they_were(tmp_path):
    plain = Form(columns=())
    for path in (write_lines(tmp_path / "a.txt"), write_json(tmp_path / "a.jsonl")):
        assert lines(path, plain) == path.read_bytes()
    path = write_parquet(tmp_path / "a.parquet", TEXTS[:7])
    found = [json.loads(line) for line in lines(path, plain, choose=slice(1, 3)).splitlines()]
    assert found == [{"id": n, "text": TEXTS[n], "lang": "en" if n % 2 else "de"} for n in (1, 2)]


def test_what_is_added(tmp_path):
    form = Form(("tokens", "perplexity"), ("bucket",), "lm_")
    path = write_json(tmp_path / "a.jsonl", ["the cat", ""])
    first, second = map(json.loads, lines(path, form, {"bucket": "head"}).splitlines())
    (score, _) = LM.score(["the cat", ""])
    assert first == {"id": 0, "text": "the cat", "lang": "de", "lm_tokens": 7,
                     "lm_perplexity": score.perplexity, "lm_bucket": "head"}  # fmt: skip
    assert second["lm_perplexity"] is None
    path = write_parquet(tmp_path / "a.parquet", ["the cat", None])
    found, null = map(json.loads, lines(path, form, {"bucket": "head"}).splitlines())
    assert found == first
    assert null == {"id": 1, "text": None, "lang": "en", "lm_tokens": None, "lm_perplexity": None,
                    "lm_bucket": "head"}  # fmt: skip


def test_lines_that_cannot_be_read_are_told(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"f\xe9x\n")
    found = json.loads(lines(path, Form((), ("reason",)), {"reason": "no UTF-8"}))
    assert found == {"line": 1, "raw": "f\ufffdx", "reason": "no UTF-8"}


def test_types_that_json_lacks(tmp_path):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    date = pa.array([0], pa.date32())
    table = pa.table({"text": ["a"], "day": date, "x": [float("nan")], "raw": [b"\x00"]})
    parquet.write_table(table, tmp_path / "a.parquet")
    found = json.loads(lines(tmp_path / "a.parquet", Form(())))
    assert found == {"text": "a", "day": "1970-01-01", "x": None, "raw": "b'\\x00'"}


def rows(path, form: Form, extra=None):
    reader = reader_of(path)
    block, items = items_of(reader, extra)
    return Rows([reader_of(path)], form).batch(reader, block, items)


def test_rows_keep_their_columns_and_types(tmp_path):
    pa = pytest.importorskip("pyarrow")
    path = write_parquet(tmp_path / "a.parquet", ["the cat", None, ""])
    form = Form(("tokens", "perplexity"), ("bucket",), "lm_")
    batch = rows(path, form, {"bucket": "tail"})
    (score, _) = LM.score(["the cat", ""])
    assert batch.schema.field("id").type == pa.int16()
    assert batch.to_pydict() == {
        "id": [0, 1, 2],
        "text": ["the cat", None, ""],
        "lang": ["de", "en", "de"],
        "lm_tokens": [7, None, 0],
        "lm_perplexity": [score.perplexity, None, None],
        "lm_bucket": ["tail"] * 3,
    }


def test_lines_become_rows(tmp_path):
    pytest.importorskip("pyarrow")
    batch = rows(write_lines(tmp_path / "a.txt"), Form(("oov",)))
    assert batch.schema.names == ["text", "oov"]
    assert batch.column(0).to_pylist() == TEXTS
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a", "n": 1}\n{"text": "b", "tags": ["x"]}\n')
    assert rows(path, Form(())).to_pylist() == [
        {"text": "a", "n": 1, "tags": None}, {"text": "b", "n": None, "tags": ["x"]},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "b", "n": "x"}', "cannot be written as a table"),
        ('{"text": "b", "m": 1}', "no field 'm'"),
    ],
)
def test_lines_that_do_not_fit_into_the_table(tmp_path, monkeypatch, line, message):
    pytest.importorskip("pyarrow")
    monkeypatch.setattr("fastlm.text.records.MOST_ROWS", 1)
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a", "n": 1}\n' + line + "\n")
    reader = reader_of(path)
    scheme = Rows([reader_of(path)], Form(()))
    _, second = reader.blocks()
    items = [Item(0, each, {}) for each in ModelSet({"": LM}, threads=1).score(second)]
    with pytest.raises(CorpusError, match=rf"{message}.*-o FILE\.jsonl"):
        scheme.batch(reader, second, items)
    path.write_text('{"text": "a", "n": 1}\n{"text": "b", "n": "x"}\n')
    monkeypatch.undo()
    with pytest.raises(CorpusError, match="fields of several types"):
        Rows([reader_of(path)], Form(()))


def test_names_that_are_taken(tmp_path):
    form = Form(("tokens",))
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "a", "tokens": 1}\n')
    with pytest.raises(ConfigError, match=r"line 1 has a field 'tokens' already.*--prefix"):
        lines(path, form)
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(pa.table({"text": ["a"], "tokens": [1]}), tmp_path / "a.parquet")
    with pytest.raises(ConfigError, match=r"has a column 'tokens' already.*--prefix"):
        Rows([reader_of(tmp_path / "a.parquet")], form)


def test_tables_of_several_kinds(tmp_path):
    pytest.importorskip("pyarrow")
    readers = [
        reader_of(write_parquet(tmp_path / "a.parquet")),
        reader_of(write_lines(tmp_path / "b.txt")),
    ]
    with pytest.raises(CorpusError, match=r"b.txt has other columns than .*a.parquet, such as id"):
        Rows(readers, Form())
