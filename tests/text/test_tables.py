"""Tables of every format come as the same batches, and what is wrong with them in one line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

import fastlm
from fastlm.data.scan import read_texts
from fastlm.errors import CorpusError, MissingLibraryError
from fastlm.text import tables
from fastlm.text.decoding import Reading
from fastlm.text.sources import FileInput, StdinInput
from fastlm.text.tables import MOST_ROWS, TableInput, arrow, file_input, input_of, is_table

pa = pytest.importorskip("pyarrow")
csv = pytest.importorskip("pyarrow.csv")
parquet = pytest.importorskip("pyarrow.parquet")

TEXTS = ["the fox", None, "", 'a,b\n"c"\td', "é" * 3] * 3
ROWS = pa.table({"id": pa.array(range(15), pa.int16()), "text": TEXTS})


def write_ipc(table, path: Path, new) -> None:
    with pa.OSFile(str(path), "wb") as file, new(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=4)


def write(path: Path, table=ROWS, **options) -> Path:
    suffix = path.suffix
    if suffix in (".parquet", ".pq"):
        parquet.write_table(table, path, **options)
    elif suffix in (".arrow", ".feather", ".ipc"):
        write_ipc(table, path, pa.ipc.new_file)
    elif suffix == ".arrows":
        write_ipc(table, path, pa.ipc.new_stream)
    else:
        separator = "\t" if ".tsv" in path.name else ","
        plain = path.with_name("plain")
        csv.write_csv(table, plain, csv.WriteOptions(delimiter=separator))
        data = plain.read_bytes()
        path.write_bytes(gzip.compress(data) if suffix == ".gz" else data)
    return path


def read(path: Path, field="text", **options) -> tuple[list, list]:
    """The texts and the whole rows."""
    table = TableInput(path, Reading(field=field))
    batches = list(table.batches(**options))
    texts = [text for batch in batches for text in table.texts(batch)]
    return texts, [row for batch in batches for row in batch.to_pylist()]


FORMATS = ["a.parquet", "a.pq", "a.arrow", "a.arrows", "a.feather", "a.csv", "a.tsv", "a.csv.gz"]


@pytest.mark.parametrize("name", FORMATS)
def test_all_formats_hold_the_same_texts(tmp_path, name):
    path = write(tmp_path / name)
    table = TableInput(path, Reading(field="text"))
    assert table.schema().names == ["id", "text"]
    texts, rows = read(path)
    is_text = ".csv" in name or ".tsv" in name
    expected = [text or "" for text in TEXTS] if is_text else TEXTS
    assert texts == [None if text is None else text.encode() for text in expected]
    # Nothing says that what stands between commas is a number.
    assert [row["id"] for row in rows] == [str(n) if is_text else n for n in range(15)]
    assert read(path, only_text=True)[1] == [{"text": text} for text in expected]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("skip", [1, 4, 7, 15, 20])
def test_rows_can_be_skipped(tmp_path, name, skip):
    path = write(tmp_path / name, **({"row_group_size": 4} if name.endswith("q") else {}))
    assert read(path, skip=skip)[1] == read(path)[1][skip:]


@pytest.mark.parametrize("kind", ["string", "large_string", "string_view", "dictionary"])
def test_every_type_of_text(tmp_path, kind):
    column = pa.array(TEXTS)
    column = (
        column.dictionary_encode() if kind == "dictionary" else column.cast(getattr(pa, kind)())
    )
    path = tmp_path / "a.arrow"
    write_ipc(pa.table({"text": column}), path, pa.ipc.new_file)
    assert read(path)[0] == read(write(tmp_path / "b.arrow"))[0]


def test_a_column_of_nulls_is_text(tmp_path):
    path = write(tmp_path / "a.parquet", pa.table({"text": pa.nulls(3)}))
    assert read(path)[0] == [None] * 3


def test_batches_are_small_and_cut_at_the_same_places(tmp_path, monkeypatch):
    many = pa.table({"text": ["x" * 100] * 9000})
    for name in ("a.parquet", "a.arrows", "a.csv"):
        path = tmp_path / name
        if name == "a.arrows":
            with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, many.schema) as writer:
                writer.write_table(many)  # one batch
        else:
            write(path, many)
        sizes = [batch.num_rows for batch in TableInput(path, Reading(field="text")).batches()]
        assert sum(sizes) == 9000
        assert max(sizes) == MOST_ROWS
    monkeypatch.setattr(tables, "_BATCH_BYTES", 1000)
    path = write(tmp_path / "b.parquet", many, use_dictionary=False, compression="none")
    sizes = [batch.num_rows for batch in TableInput(path, Reading()).batches()]
    assert sum(sizes) == 9000
    assert max(sizes) < 20  # of one row group


def test_which_files_are_tables():
    for name in ("a.parquet", "A.PQ", "b/c.arrow", "a.feather", "a.ipc"):
        assert is_table(name)
        assert is_table(name, "text")
    for name in ("a.csv", "a.tsv", "a.CSV.gz", "a.csv.zst"):
        assert is_table(name, "text")
        assert not is_table(name)
    for name in ("a.txt", "parquet", "a.jsonl", "a.parquet.gz"):
        assert not is_table(name, "text")


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.csv"])
def test_a_column_that_is_not_there_or_holds_no_text(tmp_path, name):
    path = write(tmp_path / name)
    with pytest.raises(
        CorpusError, match=r"no column 'body' \(it has 'id', 'text'\); .*with field"
    ):
        TableInput(path, Reading(field="body")).schema()
    with pytest.raises(CorpusError, match="no column 'body'"):
        next(TableInput(path, Reading(field="body")).batches(only_text=True))
    if name != "a.csv":
        with pytest.raises(CorpusError, match="column 'id' is int16, not text"):
            TableInput(path, Reading(field="id")).schema()
    write(path, pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"]))
    with pytest.raises(CorpusError, match="two columns 'text'"):
        TableInput(path, Reading(field="text")).schema()
    write(path, pa.table({f"column {n}": ["a"] for n in range(100)}))
    with pytest.raises(CorpusError, match="and 92 more") as caught:
        TableInput(path, Reading(field="text")).schema()
    assert len(str(caught.value).replace(str(tmp_path), "")) < 200


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow", "a.arrows"])
@pytest.mark.parametrize("damage", ["empty", "no table", "cut", "footer"])
def test_damaged_files(tmp_path, name, damage):
    path = write(tmp_path / name)
    data = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "no table": b"no table at all, but long enough to be one",
            "cut": data[: len(data) // 2],
            "footer": data[:-40] + b"\xff" * 32 + data[-8:],
        }[damage]
    )
    if (name, damage) == ("a.arrows", "footer"):
        return  # a stream has none
    with pytest.raises(CorpusError, match=r"a\.arrow|a\.parquet") as caught:
        list(TableInput(path, Reading()).batches())
    assert "\n" not in str(caught.value)
    assert len(str(caught.value).replace(str(tmp_path), "")) < 200


def test_damaged_pages(tmp_path):
    path = write(tmp_path / "a.parquet", compression="zstd")
    data = bytearray(path.read_bytes())
    data[4:100] = b"\xff" * 96
    path.write_bytes(data)
    with pytest.raises(CorpusError, match=r"cannot be read as \.parquet"):
        list(TableInput(path, Reading()).batches())


def test_files_that_cannot_be_opened(tmp_path):
    for name in ("a.parquet", "a.arrow", "a.csv"):
        with pytest.raises(CorpusError, match=f"{name}: no such file"):
            TableInput(tmp_path / name, Reading(field="text")).schema()
        (tmp_path / name).mkdir()
        with pytest.raises(CorpusError, match="is a folder"):
            TableInput(tmp_path / name, Reading(field="text")).schema()


def test_rows_between_separators(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes('\ufefftext,n\r\n"two\r\nlines, and ""quotes""",01\r\nplain,\r\n'.encode())
    assert read(path)[1] == [
        {"text": 'two\r\nlines, and "quotes"', "n": "01"}, {"text": "plain", "n": ""},
    ]  # fmt: skip
    path.write_bytes(b"text;n\n")
    with pytest.raises(CorpusError, match=r"no column 'text' \(it has 'text;n'\)"):
        read(path)
    path.write_bytes("text,n\nthé,1\n".encode("latin-1"))
    with pytest.raises(CorpusError, match="UTF"):
        read(path)
    table = TableInput(path, Reading(field="text", encoding="latin-1"))
    assert [table.texts(batch) for batch in table.batches()] == [["thé".encode()]]
    table = TableInput(path, Reading(field="text", errors="replace"))
    assert [table.texts(batch) for batch in table.batches()] == [["th\ufffd".encode()]]


def test_rows_with_too_few_or_too_many_values(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,n\na,1\nb\nc,1,2\nd,2\n", encoding="utf-8")
    with pytest.raises(CorpusError, match="Expected 2 columns, got 1"):
        read(path)
    table = TableInput(path, Reading(field="text", skip_bad=True))
    assert [table.texts(batch) for batch in table.batches()] == [[b"a", b"d"]]
    assert table.skipped == 2


def test_a_row_that_is_larger_than_a_block(tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "_BLOCK_BYTES", 1 << 20)
    path = tmp_path / "a.csv"
    path.write_text("text,n\n" + "x" * (3 << 20) + ",1\n", encoding="utf-8")
    with pytest.raises(CorpusError, match="a row has 1 MB at most"):
        read(path)


def test_a_damaged_compressed_file(tmp_path):
    path = write(tmp_path / "a.csv.gz")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(CorpusError, match="ends early"):
        read(path)


def test_without_pyarrow(tmp_path, monkeypatch):
    path = write(tmp_path / "a.parquet")

    def absent(name):
        raise ImportError(name)

    monkeypatch.setattr(tables, "import_module", absent)
    with pytest.raises(
        MissingLibraryError, match=r"a.parquet needs pyarrow; run pip install pyarrow"
    ):
        TableInput(path, Reading()).schema()
    with pytest.raises(MissingLibraryError, match="a table needs pyarrow"):
        arrow()


# ---------------------------------------------------------------------------- as a corpus

CORPUS = ["the fox\r\nsat", "", None, "on\ra mat", "é", "the dog"]


def write_corpus(path, texts=CORPUS, field="text"):
    parquet.write_table(pa.table({"n": range(len(texts)), field: texts}), path, row_group_size=2)
    return path


def test_the_texts_are_those_of_json_lines(tmp_path):
    path = write_corpus(tmp_path / "a.parquet")
    lines = tmp_path / "a.jsonl"
    texts = [text for text in CORPUS if text is not None]
    lines.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    table, file = file_input(path, Reading()), file_input(lines, Reading())
    assert list(table.parts()) == list(table.parts(trusted=True)) == list(file.parts())
    total = sum(len(part.data) for part in file.parts())
    for offset in range(total):
        assert list(table.parts_from(offset, total)) == list(file.parts_from(offset, total))
    assert [note.record for note in table.notes] == ["a.parquet has 1 row without text"]
    assert table.bytes_read == table.size == path.stat().st_size
    assert list(read_texts([str(path), str(lines)])) == list(read_texts([lines])) * 2


def test_which_input_a_path_is(tmp_path):
    assert type(input_of("-", Reading())) is StdinInput
    assert type(input_of("a.csv", Reading())) is FileInput
    assert type(input_of("a.csv", Reading(field="text"))) is TableInput
    assert file_input("a.pq", Reading(), in_folder=True).in_folder


def test_folders_and_patterns(tmp_path):
    write_corpus(tmp_path / "b.parquet", ["b"])
    write_corpus(tmp_path / "c.parquet", ["c"])
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "d.csv").write_text("n,text\n1,d\n")
    assert list(read_texts(tmp_path)) == ["a", "b", "c", "n,text\n1,d\n"]
    assert list(read_texts(f"{tmp_path}/*.parquet")) == ["b", "c"]
    assert list(read_texts(f"{tmp_path}/*[bd].*", Reading(field="text"))) == ["b", "d"]


def test_parts_without_rows_are_left_out_of_a_folder(tmp_path):
    write_corpus(tmp_path / "a.parquet", ["a"])
    write_corpus(tmp_path / "b.parquet", ["", None])
    assert list(read_texts(tmp_path)) == ["a"]
    assert list(read_texts(f"{tmp_path}/*.parquet")) == ["a"]
    source = file_input(tmp_path / "b.parquet", Reading(), in_folder=True)
    assert list(source.parts()) == []
    assert source.notes[-1].record == "b.parquet holds no text and was left out"
    with pytest.raises(CorpusError, match="no text"):
        list(read_texts(tmp_path / "b.parquet"))


def test_rows_that_are_no_text(tmp_path):
    bad = pa.array([b"ok", b"f\xe9x", None, b"fine"]).view(pa.string())
    path = tmp_path / "a.parquet"
    parquet.write_table(pa.table({"text": bad}), path)
    with pytest.raises(CorpusError, match=r"row 2: byte 0xE9 at offset 1.*skip_bad=True"):
        list(file_input(path, Reading()).parts())
    table = file_input(path, Reading(skip_bad=True))
    assert [part.data for part in table.parts()] == [b"ok", b"fine"]
    left_out = [note.record for note in table.notes]
    assert left_out == ["1 row was left out", "a.parquet has 1 row without text"]
    replaced = file_input(path, Reading(errors="replace")).parts(trusted=True)
    assert [part.data for part in replaced] == [b"ok", "f\ufffdx".encode(), b"fine"]
    write_corpus(path, ["", None])
    with pytest.raises(CorpusError, match="no text in its column 'text'"):
        list(file_input(path, Reading()).parts())


def test_a_model_of_a_table_is_that_of_its_texts(tmp_path):
    texts = ["the cat sat on the mat\n"] * 9 + ["the dog sat on the log"] * 9
    write_corpus(tmp_path / "a.parquet", texts, "body")
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"body": t}) + "\n" for t in texts))
    settings = {"context": 2, "hidden": (4,), "steps": 3, "seed": 0, "field": "body"}
    one = fastlm.train(str(tmp_path / "a.parquet"), **settings)
    other = fastlm.train(str(tmp_path / "a.jsonl"), **settings)
    assert one.params.tobytes() == other.params.tobytes()
    store = fastlm.prepare(tmp_path / "a.parquet", tmp_path / "a.tokens", field="body")
    assert (
        store.count
        == fastlm.prepare(tmp_path / "a.jsonl", tmp_path / "b.tokens", field="body").count
    )
