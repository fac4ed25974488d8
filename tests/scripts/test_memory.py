"""bench/memory.py writes every format, and scores and prepares it."""

from __future__ import annotations

import sys

import pytest

from .conftest import script

memory = script("memory")


@pytest.mark.parametrize("name", memory.FORMATS)
def test_every_format_is_written(tmp_path, name):
    from fastlm.text.decoding import Reading
    from fastlm.text.records import RecordReader

    if name not in ("a.txt", "a.jsonl", "a.jsonl.gz"):
        pytest.importorskip("pyarrow")
    write, _ = memory.FORMATS[name]
    write(tmp_path / name, 1000)
    reading = Reading(field=None if name == "a.txt" else "text")
    blocks = list(RecordReader(str(tmp_path / name), reading).blocks())
    texts = [record.text for block in blocks for record in block.parse()]
    assert texts == [row["text"] for chunk in memory.rows(1000) for row in chunk]


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_small_run_is_below_the_limit(capsys, tmp_path):
    pytest.importorskip("pyarrow")
    assert memory.main(["--gigabytes", "0.001", "--folder", str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + 2 * len(memory.FORMATS)
