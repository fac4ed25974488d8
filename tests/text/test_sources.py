"""What can be read as text: files of all kinds, folders, patterns, standard input, strings."""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.errors import ConfigError, CorpusError
from fastlm.text.decoding import Reading, count_characters, text_blocks
from fastlm.text.paths import inputs_of
from fastlm.text.sources import Input

LINE = "Ünïcödé, 猫は魚を見た and \U0001f600.\r\nmore\rof it\n"
NORMAL = LINE.replace("\r\n", "\n").replace("\r", "\n")


def texts_of(inputs: list[Input]) -> list[str]:
    """Each text that the inputs hold."""
    found: list[str] = []
    begun = ""
    for source in inputs:
        for piece in source.parts():
            begun += piece.data.decode()
            if piece.ends_text:
                found.append(begun)
                begun = ""
    assert begun == ""
    return found


def read(*paths: object, **reading: object) -> list[str]:
    return texts_of(inputs_of([str(path) for path in paths], Reading(**reading)))


def write(path: Path, data: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def json_lines(*records: object) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


# ---------------------------------------------------------------------------- decoding


def chunks(data: bytes, sizes: list[int]) -> list[bytes]:
    parts = []
    at = turn = 0
    while at < len(data):
        parts.append(data[at : at + sizes[turn % len(sizes)]])
        at += sizes[turn % len(sizes)]
        turn += 1
    return parts


@given(
    st.text(st.sampled_from("a\r\nb é猫\U0001f600\ufeff"), max_size=30),
    st.lists(st.integers(1, 5), min_size=1, max_size=4),
    st.sampled_from(["utf-8", "utf-16", "utf-16-le", "utf-32", "gb18030", "utf-8-sig"]),
    st.booleans(),
)
@settings(deadline=None, max_examples=200)
def test_chunks_cut_anywhere_give_the_same_text(text, sizes, encoding, trusted):
    data = text.encode(encoding)
    blocks = list(
        text_blocks(chunks(data, sizes), "a", Reading(encoding=encoding), trusted=trusted)
    )
    expected = data.decode(encoding).removeprefix("\ufeff")
    expected = expected.replace("\r\n", "\n").replace("\r", "\n")
    assert b"".join(blocks).decode() == expected
    for block in blocks:
        assert block.decode()  # whole characters, and no empty block
    assert sum(map(count_characters, blocks)) == len(expected)


@given(st.binary(max_size=20), st.lists(st.integers(1, 5), min_size=1, max_size=4), st.booleans())
@settings(deadline=None, max_examples=200)
def test_bytes_that_cannot_be_decoded_are_replaced_wherever_chunks_are_cut(data, sizes, trusted):
    reading = Reading(errors="replace")
    blocks = text_blocks(chunks(data, sizes), "a", reading, trusted=trusted)
    expected = data.decode("utf-8", "replace").removeprefix("\ufeff")
    expected = expected.replace("\r\n", "\n").replace("\r", "\n")
    assert b"".join(blocks).decode() == expected


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
@pytest.mark.parametrize(
    ("data", "encoding", "where"),
    [
        (b"one\r\ntwo\rthree\nfo\xe9r", "utf-8", "byte 0xE9 at offset 17, line 4"),
        (b"one\r\n\r\xff", "utf-8", "byte 0xFF at offset 6, line 3"),
        (b"cut short \xe2\x82", "utf-8", "byte 0xE2 at offset 10, line 1"),
        ("é\né".encode("utf-16-le") + b"\x00\xdcaa", "utf-16-le", "offset 6, line 2"),
        (b"a\nb\x81", "cp1252", "byte 0x81 at offset 3, line 2"),
    ],
)
def test_where_bytes_cannot_be_decoded(data, encoding, where, size):
    with pytest.raises(CorpusError, match=where):
        list(text_blocks(chunks(data, [size]), "a", Reading(encoding=encoding)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"encoding": "klingon"}, "unknown encoding: klingon; name one that Python knows"),
        ({"encoding": "rot13"}, "'rot13' is not a text encoding"),
        ({"errors": "ignore"}, "errors is 'ignore'; choose one of strict, replace"),
        ({"field": 3}, "field is 3; give the name of a key"),
    ],
)
def test_settings_that_do_not_exist(settings, message):
    with pytest.raises((CorpusError, ConfigError), match=message):
        Reading(**settings)


# ---------------------------------------------------------------------------- compressed


def zst(data: bytes) -> bytes:
    zstandard = pytest.importorskip("zstandard")
    return zstandard.ZstdCompressor().compress(data)


def test_gz(tmp_path):
    path = write(tmp_path / "a.txt.gz", gzip.compress(LINE.encode()) + gzip.compress(b"again"))
    assert read(path) == [NORMAL + "again"]


def test_zst(tmp_path):
    path = write(tmp_path / "a.txt.zst", zst(LINE.encode()) + zst(b"again" * 100_000))
    assert read(path) == [NORMAL + "again" * 100_000]


def test_zst_ends_early(tmp_path):
    path = write(tmp_path / "a.zst", zst(os.urandom(50_000).hex().encode())[:-20])
    with pytest.raises(CorpusError, match=r"a\.zst ends early, after [\d,]+ bytes of text"):
        read(path)


def test_zst_damaged(tmp_path):
    data = bytearray(zst(b"some text " * 1000))
    data[6:20] = b"\xff" * 14
    with pytest.raises(CorpusError, match=r"a\.zst is damaged after [\d,]+ bytes of text"):
        read(write(tmp_path / "a.zst", bytes(data)))


def test_zst_without_a_library(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "zstandard", None)
    monkeypatch.setitem(sys.modules, "compression", None)
    path = write(tmp_path / "a.zst", b"\x28\xb5\x2f\xfdwhatever")
    with pytest.raises(CorpusError, match=r'run pip install "fastlm\[zstd\]", or decompress'):
        read(path)


@pytest.mark.parametrize("left_out", [1, 8, 30])
def test_gz_ends_early(tmp_path, left_out):
    path = write(tmp_path / "a.gz", gzip.compress(b"text" * 300 + os.urandom(900))[:-left_out])
    message = r"a\.gz ends early, after 2,\d{3} bytes of text: the \.gz file is not whole"
    with pytest.raises(CorpusError, match=message):
        read(path, encoding="latin-1")


@pytest.mark.parametrize("at", [20, -6])
def test_gz_damaged(tmp_path, at):
    data = bytearray(gzip.compress(b"some text " * 1000, mtime=0))
    data[at] ^= 0xFF
    with pytest.raises(CorpusError, match=r"a\.gz is damaged after [\d,]+ bytes of text"):
        read(write(tmp_path / "a.gz", bytes(data)))


def test_gz_that_is_none(tmp_path):
    with pytest.raises(CorpusError, match=r"a\.gz is named \.gz but does not begin as"):
        read(write(tmp_path / "a.gz", "plain text"))


def test_an_empty_gz(tmp_path):
    with pytest.raises(CorpusError, match=r"a\.gz is empty"):
        read(write(tmp_path / "a.gz", gzip.compress(b"")))
    with pytest.raises(CorpusError, match=r"b\.gz is empty"):
        read(write(tmp_path / "b.gz", b""))


# ---------------------------------------------------------------------------- JSON lines


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
    with pytest.raises(CorpusError, match=rf"a\.jsonl, {message}.*--skip-bad"):
        read(path)
    (source,) = inputs_of(str(path), Reading(skip_bad=True))
    assert texts_of([source]) == ["one", "two"]
    (note,) = source.notes
    assert note.startswith("1 line was left out, the first: ")
    assert "line 2" in note


def test_nothing_but_bad_lines(tmp_path):
    with pytest.raises(CorpusError, match="holds no text: all 2 lines were left out"):
        read(write(tmp_path / "a.jsonl", "a\nb\n"), skip_bad=True)


def test_json_lines_on_standard_input(monkeypatch):
    data = json_lines({"text": "one"}, {"text": "two"}).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert read("-", field="text") == ["one", "two"]


# ---------------------------------------------------------------------------- folders


def test_a_folder(tmp_path):
    write(tmp_path / "in" / "b.txt", "b")
    write(tmp_path / "in" / "a" / "z.md", "z")
    write(tmp_path / "in" / "a.jsonl", json_lines({"text": "j1"}, {"text": "j2"}))
    write(tmp_path / "in" / "c.py", "print('c')")
    write(tmp_path / "in" / "d.txt.gz", gzip.compress(b"d"))
    write(tmp_path / "in" / "picture.png", b"\x89PNG\r\n\x1a\n\0\0")
    write(tmp_path / "in" / "latin.dat", b"n\xe9 n\xe9 n\xe9 n\xe9")
    write(tmp_path / "in" / ".hidden.txt", "no")
    write(tmp_path / "in" / ".git" / "config", "no")
    write(tmp_path / "in" / "none.txt", "")
    inputs = inputs_of(tmp_path / "in")
    assert texts_of(inputs) == ["z", "j1", "j2", "b", "print('c')", "d"]
    notes = [note for source in inputs for note in source.notes]
    assert any(note.startswith("2 files are not text and were left out: ") for note in notes)
    assert any(note.endswith("none.txt is empty and was left out") for note in notes)


def test_a_character_that_ends_beyond_the_sample(tmp_path):
    write(tmp_path / "long", "a" * 4095 + "é")
    assert len(inputs_of(tmp_path)) == 1


def test_a_text_file_in_a_folder_is_never_left_out_silently(tmp_path):
    write(tmp_path / "good.txt", "text")
    write(tmp_path / "bad.txt", b"n\xe9")
    with pytest.raises(CorpusError, match=r"bad\.txt is not valid UTF-8"):
        texts_of(inputs_of(tmp_path))


def test_a_folder_with_nothing_readable(tmp_path):
    with pytest.raises(CorpusError, match=r"the folder .* holds no file; name one with text"):
        inputs_of(tmp_path)
    write(tmp_path / "a.bin", b"\0")
    with pytest.raises(
        CorpusError, match=r"holds no text file \(but a\.bin and the like\); name one"
    ):
        inputs_of(tmp_path)


def test_a_pattern_across_folders(tmp_path):
    write(tmp_path / "x" / "y" / "a.txt", "a")
    write(tmp_path / "b.txt", "b")
    assert read(tmp_path / "**" / "*.txt") == ["b", "a"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_named_pipe_is_read_once(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    (source,) = inputs_of(path)
    assert not source.rereadable
    assert source.size is None


# ---------------------------------------------------------------------------- strings


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
        ("one text", "expected several texts, got one str; put it in a list"),
        (3, "expected an iterable of str, got int"),
        (["a", b"b"], "text 1 is bytes, not str"),
        (["a", "\ud800"], r"text 1 holds a lone surrogate U\+D800"),
        (["", ""], "the texts hold no document"),
    ],
)
def test_what_are_no_strings(texts, message):
    with pytest.raises(CorpusError, match=message):
        texts_of(inputs_of(texts=texts))
