"""JSON lines: texts, and lines that cannot be used."""

from __future__ import annotations

import gzip
import io
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlm.errors import CorpusError
from fastlm.text.decoding import Reading
from fastlm.text.json_lines import decode_line, is_json_lines, parse_record, split_lines
from fastlm.text.paths import inputs_of

from .conftest import json_lines, read, texts_of, write


def test_json_lines(tmp_path):
    text = json_lines({"text": "one\r\ntwo", "id": 1}, {"text": ""}, {"text": "thrée"}) + "\n"
    assert read(write(tmp_path / "a.jsonl", text)) == ["one\ntwo", "thrée"]
    assert read(write(tmp_path / "a.ndjson.gz", gzip.compress(text.encode()))) == [
        "one\ntwo", "thrée",
    ]  # fmt: skip


def test_json_lines_in_another_encoding_and_with_a_mark(tmp_path):
    text = '{"text": "né"}\r\n{"text": "猫"}'
    assert read(write(tmp_path / "a.jsonl", text.encode("utf-16")), encoding="utf-16") == [
        "né", "猫",
    ]  # fmt: skip
    assert read(write(tmp_path / "a.jsonl", "\ufeff" + text)) == ["né", "猫"]


def test_a_field_of_ones_own(tmp_path):
    path = write(tmp_path / "a.jsonl", json_lines({"body": "one"}, {"body": "two"}))
    assert read(path, field="body") == ["one", "two"]
    same = write(tmp_path / "a.json", path.read_bytes())
    assert read(same, field="body") == ["one", "two"]
    assert len(read(same)) == 1  # without a field it is any text


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{oops", "line 2: not JSON"),
        ('"a text"', "line 2: a JSON string, not an object; give one object a line"),
        ('{"body": "a", "id": 1}', r"line 2: no field 'text' \(it has 'body', 'id'\); name"),
        ('{"text": 3}', "line 2: field 'text' is a JSON number, not a string"),
        ('{"text": null}', "line 2: field 'text' is a JSON null, not a string"),
        ('{"text": "\\ud800"}', "line 2: field 'text' holds a lone surrogate"),
        (b'{"text": "\xff"}', "line 2: byte 0xFF at offset 10 of the line is not valid UTF-8"),
        ("[" * 100_000, "line 2: not JSON"),
    ],
)
def test_a_json_line_that_cannot_be_used(tmp_path, line, message):
    line = line if isinstance(line, bytes) else line.encode()
    path = write(tmp_path / "a.jsonl", b'{"text": "one"}\n' + line + b'\n{"text": "two"}\n')
    with pytest.raises(CorpusError, match=rf"a\.jsonl, {message}.*skip_bad=True"):
        read(path)
    (source,) = inputs_of(str(path), Reading(skip_bad=True))
    assert texts_of([source]) == ["one", "two"]
    (note,) = source.notes
    assert note.text.startswith("1 line was left out, the first: ")
    assert note.record == "1 line was left out"
    assert "line 2" in note.text


def test_nothing_but_bad_lines(tmp_path):
    with pytest.raises(CorpusError, match="holds no text: all 2 lines were left out"):
        read(write(tmp_path / "a.jsonl", "a\nb\n"), skip_bad=True)


def test_json_lines_on_standard_input(monkeypatch):
    data = json_lines({"text": "one"}, {"text": "two"}).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert read("-", field="text") == ["one", "two"]


@given(st.binary(max_size=20), st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_lines_are_the_same_however_blocks_are_cut(data, sizes):
    data = data.replace(b"a", b"\n").replace(b"b", b"\r").replace(b"c", b"\r\n")
    blocks = []
    at = 0
    while at < len(data):
        blocks.append(data[at : at + sizes[len(blocks) % len(sizes)]])
        at += len(blocks[-1])
    found = list(split_lines(blocks))
    assert all(found)
    assert [line for group in found for line in group] == re.findall(
        rb"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", data
    )


def test_lines_come_as_soon_as_they_end():
    blocks = iter([b"one\ntw", b"o\nthree\n", b"never taken"])
    lines = split_lines(blocks)
    assert next(lines) == [b"one\n"]
    assert next(lines) == [b"two\n", b"three\n"]
    assert next(blocks) == b"never taken"


def test_a_line_that_is_too_long():
    blocks = iter([b"a\nb\n12345", b"67890", b"1"])
    with pytest.raises(CorpusError, match=r"pipe, line 3 is longer than 10 bytes, .*; split it"):
        list(split_lines(blocks, "pipe", 10))
    assert list(split_lines([b"12345", b"67890\n"], "pipe", 10)) == [[b"1234567890\n"]]


def test_names_of_json_lines():
    for name in ("a.jsonl", "a.NDJSON", "a.jsonl.gz", "b.x/a.ndjson.zst"):
        assert is_json_lines(name)
    for name in ("a.json", "a.txt", "jsonl", "a.jsonl.txt", "a.json.gz"):
        assert not is_json_lines(name)
    assert is_json_lines("a.json", "body")
    assert is_json_lines("a.json.gz", "body")
    assert is_json_lines("a.txt", "body")


def test_a_record():
    assert parse_record('{"a": "x", "b": 1}', "a") == {"a": "x", "b": 1}
    with pytest.raises(CorpusError, match=r"not JSON: .* at column 2; give one object a line"):
        parse_record("{", "a")
    with pytest.raises(CorpusError, match="field 'a' is a JSON boolean, not a string"):
        parse_record('{"a": true}', "a")
    assert parse_record('\ufeff{"a": "x"}', "a") == {"a": "x"}
    assert decode_line(b"a\xff", Reading(errors="replace")) == "a\ufffd"
    assert decode_line(b"a\xff", Reading(encoding="latin-1")) == "aÿ"


def test_a_field_says_that_any_file_holds_json_lines(tmp_path):
    path = write(tmp_path / "a.txt", json_lines({"body": "one"}))
    assert read(path, field="body") == ["one"]
    path.write_text("plain text")
    with pytest.raises(CorpusError, match=r"line 1: not JSON.*, leave field out for plain text"):
        read(path, field="body")
