"""Records: lines as they are, good and bad, from any source."""

from __future__ import annotations

import gzip
import io
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.errors import CorpusError
from fastlm.text.records import BadRecord, Record, RecordReader

from .conftest import write


def records(path, field=None):
    return [record for block in RecordReader(str(path), field).blocks() for record in block]


def test_lines(tmp_path):
    path = write(tmp_path / "a.txt", "\ufeffone\r\n\n \xe9\rb\n".encode())
    assert records(path) == [
        Record(1, "\ufeffone".encode(), "one"),
        Record(2, b"", ""),
        Record(3, " é\rb".encode(), " é\rb"),
    ]


def test_json_lines(tmp_path):
    path = write(tmp_path / "a.jsonl.gz", gzip.compress(b'{"t": "a", "n": 1.50}\r\n\n{"t": 3}\n'))
    good, bad = records(path, "t")
    assert good == Record(1, b'{"t": "a", "n": 1.50}', "a", {"t": "a", "n": 1.5})
    assert bad == BadRecord(3, "field 't' is a JSON number, not a string; correct it")


def test_bad_lines_are_no_end(tmp_path):
    found = records(write(tmp_path / "a.txt", b"a\n\xff\nb"))
    assert [type(record) for record in found] == [Record, BadRecord, Record]
    assert found[1].reason.startswith("byte 0xFF at offset 0 of the line is not valid UTF-8")


@given(st.lists(st.text(st.sampled_from("a é猫"), max_size=6), max_size=6), st.integers(1, 9))
@settings(deadline=None)
def test_what_comes_is_given_at_once(lines, size):
    data = "".join(f"{line}\n" for line in lines).encode()
    stdin = sys.stdin
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("fastlm.text.sources._TAKEN", size)
            sys.stdin = io.TextIOWrapper(io.BytesIO(data))
            reader = RecordReader("-", None)
            number = 0
            for block in reader.blocks():
                number += len(block)
                assert data[: reader.bytes_read].count(b"\n") == number
        assert number == len(lines)
    finally:
        sys.stdin = stdin


def test_names_and_errors(tmp_path):
    assert RecordReader("-", None).name == "standard input"
    reader = RecordReader(str(tmp_path / "gone.txt"), None)
    with pytest.raises(CorpusError, match=r"gone\.txt: no such file"):
        next(reader.blocks())
    with pytest.raises(CorpusError, match="'' is not a path"):
        RecordReader("", None)


def test_lines_that_are_too_long(tmp_path, monkeypatch):
    monkeypatch.setattr("fastlm.text.records._LONGEST_LINE", 4)
    monkeypatch.setattr("fastlm.text.compression._CHUNK", 4)
    path = write(tmp_path / "a.txt", "four\nfives\n")
    with pytest.raises(CorpusError, match=r"a\.txt, line 2 is longer than 4 bytes; split it"):
        records(path)
