"""Compressed files: read whole, cut short, damaged, named wrongly."""

from __future__ import annotations

import gzip
import importlib
import io
import os
import sys

import pytest

from fastlm.errors import CorpusError
from fastlm.text.compression import is_compressed, plain_suffix, read_chunks

from .conftest import LINE, NORMAL, read, write


def zst(data: bytes) -> bytes:
    """Compress with the library that is there."""
    for name in ("compression.zstd", "backports.zstd"):
        try:
            compressed: bytes = importlib.import_module(name).compress(data)
        except ImportError:
            continue
        return compressed
    pytest.skip("nothing compresses with zstd")


SKIPPABLE = b"\x50\x2a\x4d\x18" + (4).to_bytes(4, "little") + b"abcd"


def test_zst_frames_that_are_skipped(tmp_path):
    path = write(tmp_path / "a.zst", SKIPPABLE + zst(b"one ") + SKIPPABLE + zst(b"two"))
    assert read(path) == ["one two"]


def test_zst_chunks_are_small_however_much_a_frame_holds(tmp_path):
    path = write(tmp_path / "a.zst", zst(bytes(1 << 24)))
    assert path.stat().st_size < 10_000
    with path.open("rb") as file:
        sizes = [len(chunk) for chunk in read_chunks(file, "a.zst")]
    assert sum(sizes) == 1 << 24
    assert max(sizes) <= 1 << 17


@pytest.mark.parametrize("kept", [1, 4, 5, 12, -1])
def test_zst_cut_anywhere(tmp_path, kept):
    path = write(tmp_path / "a.zst", zst(b"some text " * 50)[:kept])
    with pytest.raises(CorpusError, match=r"a\.zst (ends early|is named \.zst but does not begin)"):
        read(path)


def test_zst_followed_by_something_else(tmp_path):
    path = write(tmp_path / "a.zst", zst(b"text") + b"junk")
    with pytest.raises(CorpusError, match=r"a\.zst is damaged after 4 bytes of text: .*; get anot"):
        read(path)


@pytest.mark.parametrize(
    ("name", "compressed", "suffix"),
    [
        ("a.txt", False, ".txt"),
        ("a.TXT.GZ", True, ".txt"),
        ("b/a.jsonl.zst", True, ".jsonl"),
        ("a.gz", True, ""),
        ("a.tar.xz", False, ".xz"),
        ("a", False, ""),
        (".gz", False, ""),
    ],
)
def test_what_names_say(name, compressed, suffix):
    assert is_compressed(name) == compressed
    assert plain_suffix(name) == suffix


class Trickle(io.RawIOBase):
    """A pipe that gives what was written to it, one write at a time."""

    def __init__(self, writes):
        self.writes = list(writes)

    def readable(self):
        return True

    def readinto(self, buffer):
        data = self.writes.pop(0) if self.writes else b""
        buffer[: len(data)] = data
        return len(data)


@pytest.mark.parametrize("name", ["a.txt", "a.gz"])
def test_a_pipe_gives_what_it_has(name):
    data = b"one" if name == "a.txt" else gzip.compress(b"one")
    pipe = Trickle([data, gzip.compress(b"two") if name == "a.gz" else b"two"])
    chunks = read_chunks(io.BufferedReader(pipe), name)
    assert next(chunks) == b"one"
    assert b"".join(chunks) == b"two"


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
    monkeypatch.setitem(sys.modules, "backports.zstd", None)
    monkeypatch.setitem(sys.modules, "compression", None)
    path = write(tmp_path / "a.zst", b"\x28\xb5\x2f\xfdwhatever")
    with pytest.raises(CorpusError, match=r"run pip install backports\.zstd, or decompress"):
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
