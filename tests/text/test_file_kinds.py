"""Files that hold no text, and what is said of them."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import sqlite3
import struct
import tarfile
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save

from fastlm.errors import CorpusError
from fastlm.text.decoding import Reading
from fastlm.text.file_kinds import kind_of
from fastlm.text.records import RecordReader

from .conftest import read, write


def zip_file() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "text")
    return file.getvalue()


def tar_file() -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.txt"))
    return file.getvalue()


def array_file() -> bytes:
    file = io.BytesIO()
    np.save(file, np.arange(3.0))
    return file.getvalue()


def database(path) -> bytes:
    with sqlite3.connect(path) as connection:
        connection.execute("create table a (b text)")
    connection.close()
    return path.read_bytes()


FILES = {
    "a Parquet file": b"PAR1\x15\x04\x15\x10\x15\x14\0\0\xff",
    "an Arrow file": b"ARROW1\0\0\xff\xff\xff\xff",
    "a PNG picture": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "a JPEG picture": b"\xff\xd8\xff\xe0\0\x10JFIF\0",
    "a GIF picture": b"GIF89a\1\0\1\0\0\xff",
    "a PDF file": b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n",
    "a safetensors file": save({"a": np.ones(3, np.float32)}),
    "a gzip file": gzip.compress(b"text"),
    "a bzip2 file": bz2.compress(b"text"),
    "an xz file": lzma.compress(b"text"),
    "a zip archive": zip_file(),
    "a tar archive": tar_file(),
    "a NumPy array": array_file(),
    "a pickle": pickle.dumps(["text"]),
    "a WAV": b"RIFF\x24\0\0\0WAVEfmt ",
    "a GGUF model": b"GGUF\3\0\0\0",
    "a program": b"\x7fELF\2\1\1\0",
    "an MP4 file": b"\0\0\0\x18ftypmp42",
    "a token store": b"\x89fastlm\n",
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_text(tmp_path, name):
    path = write(tmp_path / "a.txt", FILES[name])
    with pytest.raises(CorpusError, match=rf"a\.txt is {name}.*, not text; ") as caught:
        read(path)
    assert "iconv" not in str(caught.value)
    with pytest.raises(CorpusError, match=f"a.txt is {name}"):
        list(RecordReader(str(path), Reading(field="text", skip_bad=True)).blocks())


def test_a_database(tmp_path):
    kind = kind_of(database(tmp_path / "a.db"))
    assert kind is not None
    assert kind.name == "an SQLite database"


def test_a_model_with_a_long_header(tmp_path):
    header = json.dumps({"__metadata__": {"fastlm": "x" * 300_000}}).encode()
    data = struct.pack("<Q", len(header)) + header + b"\xff" * 100
    with pytest.raises(CorpusError, match="is a safetensors file, as models are"):
        read(write(tmp_path / "a.txt", data))


@pytest.mark.parametrize(
    "text",
    ["PAR1 was the first.", "RIFF raff", "BM", "%PDF- is how one begins", "GIF89a"],
)
def test_text_that_begins_likewise(tmp_path, text):
    assert read(write(tmp_path / "a.txt", text)) == [text]


@pytest.mark.parametrize("data", [b"BMW f\xe4hrt", b"MZ \xe9", b"ORC\xe9 x", b"ID3 \xe9"])
def test_another_encoding_is_told_as_such(tmp_path, data):
    path = write(tmp_path / "a.txt", data)
    with pytest.raises(CorpusError, match=r"not valid UTF-8.*\(encoding\)"):
        read(path)
    assert read(path, encoding="latin-1") == [data.decode("latin-1")]
