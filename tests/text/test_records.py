"""Records: lines as they are, good and bad, from any source."""

from __future__ import annotations

import gzip
import io
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.errors import CorpusError
from fastlm.text.decoding import Reading
from fastlm.text.paths import inputs_of
from fastlm.text.records import BadRecord, Record, RecordReader

from .conftest import texts_of, write


def records(path, **reading):
    reader = RecordReader(str(path), Reading(**reading))
    return [record for block in reader.blocks() for record in block.parse()]


def test_lines(tmp_path):
    path = write(tmp_path / "a.txt", "\ufeffone\r\n\n \xe9\rb\n\ufeffc".encode())
    assert records(path) == [
        Record(1, b"one\r\n", b"one", "one"),
        Record(2, b"\n", b"", ""),
        Record(3, " é\r".encode(), " é".encode(), " é"),
        Record(4, b"b\n", b"b", "b"),
        Record(5, "\ufeffc".encode(), "\ufeffc".encode(), "\ufeffc"),
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_the_lines_are_those_of_training(tmp_path, monkeypatch, size):
    data = "\ufeffa\r\nb\rc\n\r\r\nd\x0be\u2028f\n\r".encode()
    path = write(tmp_path / "a.txt", data)
    (trained,) = texts_of(inputs_of(path))
    monkeypatch.setattr("fastlm.text.compression._CHUNK", size)
    found = records(path)
    assert [record.text for record in found] == trained.removesuffix("\n").split("\n")
    assert b"".join(record.raw for record in found) == data[3:]


def test_json_lines(tmp_path):
    path = write(tmp_path / "a.jsonl.gz", gzip.compress(b'{"t": "a", "n": 1.50}\r\n\n{"t": 3}\n'))
    good, bad = records(path, field="t")
    line = b'{"t": "a", "n": 1.50}'
    assert good == Record(1, line + b"\r\n", line, "a", {"t": "a", "n": 1.5})
    assert bad == BadRecord(3, "field 't' is a JSON number, not a string; correct it", b'{"t": 3}')


def test_a_mark_before_an_object_is_no_part_of_it(tmp_path):
    line = b'{"text": "a"}'
    path = write(tmp_path / "a.jsonl", (b"\xef\xbb\xbf" + line + b"\n") * 2)
    assert [(record.raw, record.line) for record in records(path)] == [(line + b"\n", line)] * 2


def test_other_encodings(tmp_path):
    text = "é\r\nб\n"
    path = write(tmp_path / "a.txt", text.encode("utf-16"))
    assert records(path, encoding="utf-16") == [
        Record(1, "é\n".encode(), "é".encode(), "é"),
        Record(2, "б\n".encode(), "б".encode(), "б"),
    ]
    path = write(tmp_path / "b.txt", b"\xe9\r\n")
    assert records(path, encoding="latin-1") == [Record(1, b"\xe9\r\n", "é".encode(), "é")]
    assert records(path, errors="replace") == [Record(1, b"\xe9\r\n", "\ufffd".encode(), "\ufffd")]


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
            reader = RecordReader("-")
            number = 0
            for block in reader.blocks(at_once=True):
                number += block.size
                assert data[: reader.bytes_read].count(b"\n") == number
        assert number == len(lines)
    finally:
        sys.stdin = stdin


def test_names_and_errors(tmp_path):
    assert RecordReader("-").name == "standard input"
    reader = RecordReader(str(tmp_path / "gone.txt"))
    with pytest.raises(CorpusError, match=r"gone\.txt: no such file"):
        next(reader.blocks())
    with pytest.raises(CorpusError, match="'' is not a path"):
        RecordReader("")


def test_lines_that_are_too_long(tmp_path, monkeypatch):
    monkeypatch.setattr("fastlm.text.compression._CHUNK", 4)
    path = write(tmp_path / "a.txt", "four\nfives\n")
    with pytest.raises(CorpusError, match=r"a\.txt, line 2 is longer than 4 bytes.*; split it"):
        list(RecordReader(str(path), longest=4).blocks())
    assert [record.text for record in records(path)] == ["four", "fives"]
