"""The bytes of a token store, and files that are none."""

from __future__ import annotations

import json
import struct
import zlib
from pathlib import Path

import pytest

from fastlm.data.token_store import TokenStore
from fastlm.data.token_store_format import StoreHeader, parse_header, parse_metadata
from fastlm.errors import StoreError

from .test_token_store import IDS, facts, make


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make(tmp_path / "a.tokens")


def test_the_format_byte_by_byte(path):
    data = path.read_bytes()
    metadata = data[64 + 18 :]
    ids = struct.pack("<9H", *IDS)
    header = b"\x89fastlm\n" + struct.pack(
        "<IIQQQQIII", 1, 2, 9, 64, 64 + 18, len(metadata), zlib.crc32(ids), zlib.crc32(metadata), 0
    )
    assert data == header + struct.pack("<I", zlib.crc32(header)) + ids + metadata
    assert json.loads(metadata)["vocab"] == 4


HEADER = StoreHeader(id_bytes=2, n_ids=9, metadata_bytes=5, ids_crc=1, metadata_crc=2)


def test_a_header_is_read_as_it_was_written():
    data = HEADER.pack()
    assert len(data) == 64
    assert parse_header("a", data, 64 + 18 + 5) == HEADER


@pytest.mark.parametrize(
    ("at", "value"),
    [(8, 0), (12, 3), (16, 0), (24, 65), (32, 99)],
    ids=["version", "id bytes", "count", "ids", "metadata"],
)
def test_a_header_that_contradicts_itself(at, value):
    data = bytearray(HEADER.pack())
    data[at] = value
    data[60:] = struct.pack("<I", zlib.crc32(data[:60]))
    with pytest.raises(StoreError, match="its header contradicts itself; copy it again"):
        parse_header("a", bytes(data), 64 + 18 + 5)


def test_a_count_beyond_all_memory():
    data = bytearray(HEADER.pack())
    data[16:24] = b"\xff" * 8
    data[60:] = struct.pack("<I", zlib.crc32(data[:60]))
    with pytest.raises(StoreError, match="its header contradicts itself"):
        parse_header("a", bytes(data), 87)


@pytest.mark.parametrize("data", [b"{", b"[" * 100_000, b"\xff"])
def test_metadata_that_is_no_json(data):
    header = HEADER._replace(metadata_crc=zlib.crc32(data))
    with pytest.raises(StoreError, match="its metadata is not JSON"):
        parse_metadata("a", data, header)


def test_some_other_file(tmp_path):
    (tmp_path / "a").write_text("just some text")
    with pytest.raises(StoreError, match="is not a token store: it does not begin like one"):
        TokenStore.open(tmp_path / "a")


def test_every_truncation(path):
    data = path.read_bytes()
    for size in [*range(8, 100), len(data) - 1]:
        path.write_bytes(data[:size])
        message = rf"is cut short: {size} of \d+ bytes are there; copy it again, or prepare"
        with pytest.raises(StoreError, match=message):
            TokenStore.open(path)


def test_every_altered_byte(path):
    data = path.read_bytes()
    for at in range(len(data)):
        altered = bytearray(data)
        altered[at] ^= 0x01
        path.write_bytes(altered)
        with pytest.raises(StoreError, match=r"was altered|is not a token store|version"):
            TokenStore.open(path)


def test_something_after_the_end(path):
    with path.open("ab") as file:
        file.write(b"more")
    with pytest.raises(StoreError, match="was altered: 4 bytes follow its end"):
        TokenStore.open(path)


def test_a_newer_version(path):
    data = bytearray(path.read_bytes())
    data[8] = 2
    path.write_bytes(data)
    message = r"has format version 2, but this is fastlm .*, which reads up to 1; upgrade"
    with pytest.raises(StoreError, match=message):
        TokenStore.open(path)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"tokenizer": None}, "its metadata has tokenizer None, not an object"),
        ({"tokenizer": {}}, "its tokenizer lacks 'kind'"),
        ({"tokenizer_fingerprint": 3}, "its metadata has tokenizer_fingerprint 3, not text"),
        ({"vocab": 0}, "its metadata contradicts itself"),
        ({"vocab": 70_000}, "its metadata contradicts itself"),
        ({"vocab": "4"}, "its metadata has vocab '4', not a whole number"),
        ({"documents": "pages"}, "its metadata has documents 'pages', not file or par"),
        ({"train": {}}, "its train part lacks 'tokens'"),
        ({"valid": None}, "its metadata has valid None, not an object"),
        ({"train": facts(5)["train"]}, "its metadata contradicts itself or its header"),
        ({"counts": [1, 2]}, "its metadata contradicts itself"),
        ({"counts": [1, 2, 3, -4]}, "its metadata contradicts itself"),
        ({"counts": {}}, "its metadata has counts {}, not a list"),
        ({"valid_fraction": "0.1"}, "its metadata has valid_fraction '0.1', not a number above 0"),
        ({"valid_fraction": 1}, "its metadata has valid_fraction 1, not a number above 0 and bel"),
        ({"description": ["a"]}, r"its metadata has description \['a'\], not text"),
        ({"description": "\ud800"}, "its metadata has description '.ud800', not text"),
        ({"text_sha256": None}, "its metadata has text_sha256 None, not text"),
        ({"sources": 1}, "its metadata has sources 1, not a list"),
    ],
)
def test_metadata_that_no_store_has(tmp_path, changes, reason):
    make(tmp_path / "a", **changes)
    with pytest.raises(StoreError, match=f"a is damaged or was altered: {reason}"):
        TokenStore.open(tmp_path / "a")


def test_nothing_in_a_description_reaches_the_terminal_as_a_command(tmp_path):
    store = TokenStore.open(make(tmp_path / "a", description="a\x1b[2J\nb\u202e.txt"))
    assert store.metadata["description"] == "a?[2J?b?.txt"
