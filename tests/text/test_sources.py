"""Sources of text: files, named pipes, standard input, strings."""

from __future__ import annotations

import gzip
import io
import os
import sys
import threading

import pytest

from fastlm.errors import CorpusError
from fastlm.text.decoding import Reading
from fastlm.text.paths import inputs_of
from fastlm.text.sources import FileInput, Note, StdinInput, file_or_stdin

from .conftest import json_lines, read, texts_of, write


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_named_pipe_is_read_once(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    (source,) = inputs_of(path)
    assert not source.rereadable
    assert source.size is None
    path = path.rename(tmp_path / "pipe.gz")
    thread = threading.Thread(target=path.write_bytes, args=(gzip.compress(b"text"),))
    thread.start()
    assert texts_of(inputs_of(path)) == ["text"]
    thread.join()


def test_strings(tmp_path):
    long = "line\r\n" * 400_000
    texts = ["a\rb", "", long]
    assert texts_of(inputs_of(texts=texts)) == ["a\nb", long.replace("\r\n", "\n")]
    (source,) = inputs_of(texts=(text for text in texts))
    assert not source.rereadable
    assert inputs_of(texts=texts)[0].rereadable


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (b"one text", "expected several texts, got one bytes; put it in a list"),
        (3, "expected an iterable of str, got int"),
        (["a", b"b"], "text 1 is bytes, not str"),
        (["a", "\ud800"], r"text 1 holds a lone surrogate U\+D800"),
        (["", ""], "the texts hold no document"),
    ],
)
def test_what_are_no_strings(texts, message):
    with pytest.raises(CorpusError, match=message):
        texts_of(inputs_of(texts=texts))


# ---------------------------------------------------------------------------- files


def test_where_a_file_is_and_what_was_read(tmp_path):
    path = write(tmp_path / "a.txt", "one\r\ntwo")
    source = FileInput(path, Reading())
    status = path.stat()
    assert source.size == 8
    assert source.identity() == [str(path), 8, status.st_mtime_ns]
    assert b"".join(source.chunks()) == b"one\r\ntwo"
    assert source.bytes_read == 8
    gone = FileInput(tmp_path / "gone", Reading())
    assert gone.identity() == [str(tmp_path / "gone"), None, None]


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.jsonl", "bom.txt"])
def test_reading_from_an_offset(tmp_path, name):
    text = "né 猫 and more of it"
    data = text.encode()
    if name == "a.txt.gz":
        data = gzip.compress(data)
    elif name == "a.jsonl":
        data = json_lines({"text": text[:6]}, {"text": text[6:]}).encode()
    elif name == "bom.txt":
        data = b"\xef\xbb\xbf" + data
    source = FileInput(write(tmp_path / name, data), Reading())
    total = len(text.encode())
    for characters in range(len(text)):
        offset = len(text[:characters].encode())
        parts = list(source.parts_from(offset, total))
        assert b"".join(part.data for part in parts).decode() == text[characters:]
        assert parts[-1].ends_text


def test_an_empty_file_in_a_folder_is_a_note(tmp_path):
    source = FileInput(write(tmp_path / "a.txt", b"\xef\xbb\xbf"), Reading(), in_folder=True)
    source.left_out = more = Note("more", "more")
    for _ in range(2):
        assert texts_of([source]) == []
        assert source.notes == [
            more,
            Note(f"{source.name} is empty and was left out", "a.txt is empty and was left out"),
        ]
    write(tmp_path / "a.txt", "text")
    assert texts_of([source]) == ["text"]
    assert source.notes == [more]


# ---------------------------------------------------------------------------- standard input


def test_a_minus_is_standard_input():
    assert isinstance(file_or_stdin("-", Reading()), StdinInput)
    assert isinstance(file_or_stdin("./-", Reading()), FileInput)


def test_standard_input_that_fails(monkeypatch):
    class Broken(io.BytesIO):
        def read1(self, size=-1):
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(Broken()))
    with pytest.raises(CorpusError, match="standard input cannot be read: Input/output error"):
        read("-")
