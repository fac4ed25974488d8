"""Outputs go on after a commit as if nothing had been written after it."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from fastlm.errors import ConfigError
from fastlm.jobs.forms import Form, Item, Rows
from fastlm.jobs.outputs import LinesOutput, Output, PartsOutput, StreamOutput, output_of
from fastlm.jobs.scored import Scored

from .sources import first_block, reader_of, write_json, write_lines, write_parquet

PLAIN = Form(columns=())


def block_of(path, places):
    reader = reader_of(path)
    block = first_block(reader)
    records = block.parse()
    return reader, block, [Item(place, Scored(records[place], None), {}) for place in places]


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz", "out.zst"])
def test_lines_go_on_after_a_commit(tmp_path, name):
    if name.endswith("zst"):
        pytest.importorskip("backports.zstd")
    path = write_json(tmp_path / "a.jsonl")
    whole = LinesOutput(str(tmp_path / f"whole-{name}"), PLAIN)
    for places in ([0, 1], [2], [3, 4]):
        whole.write(*block_of(path, places))
    whole.commit()
    whole.finish()

    target = tmp_path / name
    output = LinesOutput(str(target), PLAIN)
    output.write(*block_of(path, [0, 1]))
    state = output.commit()
    output.write(*block_of(path, [5, 6, 7]))
    output.close()  # and is killed
    assert not target.exists()
    output = LinesOutput(str(target), PLAIN)
    output.resume(state)
    output.write(*block_of(path, [2]))
    output.write(*block_of(path, [3, 4]))
    output.commit()
    output.finish()
    data = target.read_bytes()
    assert data == (tmp_path / f"whole-{name}").read_bytes()
    assert not Path(f"{target}.part").exists()
    if name.endswith("gz"):
        data = gzip.decompress(data)
    if not name.endswith("zst"):
        assert data == b"".join(path.read_bytes().splitlines(keepends=True)[:5])


def test_lines_that_are_gone(tmp_path):
    output = LinesOutput(str(tmp_path / "out"), PLAIN)
    with pytest.raises(ConfigError, match=r"cannot write the output .*out\.part"):
        output.resume(0)
    (tmp_path / "out.part").write_bytes(b"abc")
    with pytest.raises(ConfigError, match="has 3 bytes of 5 that were written; start over"):
        output.resume(5)
    output.discard()
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ConfigError, match="cannot write the output"):
        LinesOutput(str(tmp_path / "none" / "out"), PLAIN).commit()


def rows_of(path) -> Rows:
    return Rows([reader_of(path)], PLAIN)


@pytest.mark.parametrize("name", ["out.parquet", "folder"])
def test_parts_go_on_after_a_commit(tmp_path, name):
    parquet = pytest.importorskip("pyarrow.parquet")
    path = write_parquet(tmp_path / "a.parquet")
    target = tmp_path / name

    def output() -> PartsOutput:
        return PartsOutput(str(target), rows_of(path))

    one = output()
    one.write(*block_of(path, [0, 1]))
    assert one.commit() == 1
    one.write(*block_of(path, [5]))
    assert one.commit() == 2
    one.write(*block_of(path, [6]))
    one._write_group()  # and is killed
    two = output()
    two.resume(1)
    assert two.commit() == 1  # nothing came
    two.write(*block_of(path, [2, 3]))
    assert two.commit() == 2
    two.finish()
    assert parquet.read_table(target).column("id").to_pylist() == [0, 1, 2, 3]
    found = sorted(each.name for each in tmp_path.iterdir())
    assert found == sorted(["a.parquet", name])
    if name == "folder":
        names = sorted(each.name for each in target.iterdir())
        assert names == ["part-00000.parquet", "part-00001.parquet"]


@pytest.mark.parametrize("name", ["out.parquet", "folder/"])
def test_a_table_without_rows_has_its_columns(tmp_path, name):
    parquet = pytest.importorskip("pyarrow.parquet")
    path = write_parquet(tmp_path / "a.parquet")
    output = PartsOutput(str(tmp_path / name), rows_of(path))
    output.commit()
    output.finish()
    table = parquet.read_table(tmp_path / name)
    assert (table.num_rows, table.schema.names) == (0, ["id", "text", "lang"])


def test_parts_that_are_gone_or_left(tmp_path):
    pytest.importorskip("pyarrow")
    path = write_parquet(tmp_path / "a.parquet")
    folder = tmp_path / "folder"
    output = PartsOutput(str(folder), rows_of(path))
    output.write(*block_of(path, [0]))
    output.commit()
    (folder / "part-mine.parquet").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"part-00001.parquet is gone; start over"):
        PartsOutput(str(folder), rows_of(path)).resume(2)
    PartsOutput(str(folder), rows_of(path)).start()
    assert [each.name for each in folder.iterdir()] == ["part-mine.parquet"]


def test_large_tables_have_several_row_groups(tmp_path, monkeypatch):
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr("fastlm.jobs.outputs._ROW_GROUP_ROWS", 3)
    path = write_parquet(tmp_path / "a.parquet")
    output = PartsOutput(str(tmp_path / "o.parquet"), rows_of(path))
    for place in range(7):
        output.write(*block_of(path, [place]))
    output.commit()
    output.finish()
    about = parquet.ParquetFile(tmp_path / "o.parquet").metadata
    assert [about.row_group(group).num_rows for group in range(3)] == [3, 3, 1]


def test_which_output_a_name_is(tmp_path):
    readers = [reader_of(write_lines(tmp_path / "a.txt"))]
    assert type(output_of(str(tmp_path / "o.txt"), PLAIN, readers)) is LinesOutput
    assert type(output_of("o.csv", PLAIN, readers)) is LinesOutput
    pytest.importorskip("pyarrow")
    for name in ("o.parquet", "o.PQ", f"{tmp_path}", "folder/"):
        assert type(output_of(name, PLAIN, readers)) is PartsOutput
    readers = [reader_of(write_parquet(tmp_path / "a.parquet"))]
    with pytest.raises(ConfigError, match=r"o\.csv would hold JSON lines; name .*\.parquet"):
        output_of("o.csv", PLAIN, readers)
    with pytest.raises(ConfigError, match="standard input is read once"):
        output_of("o.parquet", PLAIN, [reader_of("-", field="text")])


def test_the_base_is_nowhere(capsys, tmp_path):
    output = Output()
    path = write_lines(tmp_path / "a.txt")
    output.start()
    output.write(*block_of(path, [0]))
    assert output.commit() is None
    output.finish()
    assert capsys.readouterr().out == ""
    StreamOutput(PLAIN).write(*block_of(path, [0, 1]))
    assert capsys.readouterr().out.encode() == b"".join(path.read_bytes().splitlines(True)[:2])
