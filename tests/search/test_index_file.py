"""Indexes are what was written, or are refused in a line."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from fastlm.api.prepare import prepare
from fastlm.errors import MissingStoreError, StoreError
from fastlm.search.index_file import (
    HEADER_BYTES,
    index_path,
    is_index,
    read_index,
    store_digest,
    write_index,
)

TEXT = "the cat sat on the mat\nthe dog sat\n" * 3


def make_store(tmp_path, text=TEXT, name="a"):
    source = tmp_path / f"{name}.txt"
    source.write_text(text, encoding="utf-8")
    return prepare(source, tmp_path / f"{name}.tokens", documents="lines", valid=0)


@pytest.fixture
def store(tmp_path):
    return make_store(tmp_path)


@pytest.fixture
def index(store):
    path = index_path(store.path)
    write_index(path, store, np.arange(store.count, dtype=np.int32)[::-1].copy())
    return path


def test_the_bytes_are_those_of_the_description(store, index):
    data = index.read_bytes()
    assert data[:8] == bytes.fromhex("89666C696E64780A")
    assert int.from_bytes(data[8:12], "little") == 1
    assert int.from_bytes(data[12:16], "little") == 4
    assert int.from_bytes(data[16:24], "little") == store.count
    assert int.from_bytes(data[24:32], "little") == HEADER_BYTES == 64
    assert data[32:48] == store_digest(store)
    assert int.from_bytes(data[48:52], "little") == zlib.crc32(data[64:])
    assert data[52:60] == bytes(8)
    assert int.from_bytes(data[60:64], "little") == zlib.crc32(data[:60])
    assert np.frombuffer(data[64:], "<u4").tolist() == list(range(store.count))[::-1]
    assert read_index(index, store).tolist() == list(range(store.count))[::-1]
    assert is_index(index)
    assert not is_index(store.path)
    assert not is_index(index.with_name("none"))


def test_the_same_text_prepared_again_has_the_same_digest(tmp_path, store):
    assert store_digest(make_store(tmp_path, name="b")) == store_digest(store)
    assert store_digest(make_store(tmp_path, TEXT + "more\n", "c")) != store_digest(store)


def test_the_index_of_another_store_is_refused(tmp_path, index):
    with pytest.raises(StoreError, match="index of another store"):
        read_index(index, make_store(tmp_path, TEXT.replace("cat", "rat"), "b"))


def resealed(data: bytes) -> bytes:
    return data[:60] + zlib.crc32(data[:60]).to_bytes(4, "little") + data[64:]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda data: b"x" + data[1:], "is no index"),
        (lambda data: data[:40], "does not have the checksum"),
        (lambda data: data[:9] + b"\1" + data[10:], "does not have the checksum"),
        (lambda data: resealed(data[:8] + b"\2" + data[9:]), "format version 2"),
        (lambda data: resealed(data[:12] + b"\10" + data[13:]), "contradicts itself"),
        (lambda data: data[:-1], "is damaged: it has"),
        (lambda data: data + b"\0", "is damaged: it has"),
        (lambda data: data[:-1] + b"\1", "its positions"),
    ],
)
def test_what_is_no_index_or_damaged_is_refused(store, index, change, why):
    index.write_bytes(change(index.read_bytes()))
    with pytest.raises(StoreError, match=why) as caught:
        read_index(index, store)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read_or_written(tmp_path, store):
    with pytest.raises(MissingStoreError, match="fastlm index"):
        read_index(tmp_path / "none", store)
    with pytest.raises(StoreError, match="cannot be read"):
        read_index(tmp_path, store)
    with pytest.raises(StoreError, match="cannot write the index"):
        write_index(tmp_path / "none" / "x", store, np.zeros(store.count, dtype=np.int32))
