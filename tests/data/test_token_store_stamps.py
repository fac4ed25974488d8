"""Stamps of token stores: a store is known by all that tells a changed file."""

from __future__ import annotations

import os

import pytest

from fastlm.data.token_store_format import StoreHeader
from fastlm.data.token_store_stamps import is_stamped, stamp

HEADER = StoreHeader(id_bytes=2, n_ids=9, metadata_bytes=5, ids_crc=1, metadata_crc=2)


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setenv("FASTLM_CACHE", str(tmp_path / "cache"))
    (tmp_path / "a").write_bytes(b"0123")
    return tmp_path / "a"


def test_a_file_is_known_by_its_stamp(path):
    assert not is_stamped(path, path.stat(), HEADER)
    stamp(path, path.stat(), HEADER)
    assert is_stamped(path, path.stat(), HEADER)
    assert is_stamped(os.path.relpath(path), path.stat(), HEADER)


def test_what_tells_a_changed_file(path):
    stamp(path, path.stat(), HEADER)
    assert not is_stamped(path, path.stat(), HEADER._replace(ids_crc=3))
    assert not is_stamped(path, path.stat(), HEADER._replace(metadata_crc=3))
    before = path.stat()
    with path.open("r+b") as file:
        file.write(b"x")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert os.name == "nt" or not is_stamped(path, path.stat(), HEADER)
    path.unlink()
    path.write_bytes(b"0123")
    assert not is_stamped(path, path.stat(), HEADER)


def test_a_copy_at_another_place_is_not_known(path):
    stamp(path, path.stat(), HEADER)
    copy = path.with_name("b")
    copy.write_bytes(path.read_bytes())
    assert not is_stamped(copy, copy.stat(), HEADER)


def test_a_stamp_that_is_damaged(path, tmp_path):
    stamp(path, path.stat(), HEADER)
    (entry,) = (tmp_path / "cache").iterdir()
    for content in (b"", b"{", entry.read_bytes() + b" "):
        entry.write_bytes(content)
        assert not is_stamped(path, path.stat(), HEADER)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_stamps_are_for_their_owner(path, tmp_path):
    stamp(path, path.stat(), HEADER)
    (entry,) = (tmp_path / "cache").iterdir()
    assert entry.stat().st_mode & 0o077 == entry.parent.stat().st_mode & 0o077 == 0


def test_no_place_for_a_stamp_is_no_error(path, tmp_path, monkeypatch):
    monkeypatch.setenv("FASTLM_CACHE", str(path / "cache"))
    stamp(path, path.stat(), HEADER)
    assert not is_stamped(path, path.stat(), HEADER)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    monkeypatch.setenv("FASTLM_CACHE", "~nobody-here/x")
    stamp(path, path.stat(), HEADER)
    assert not is_stamped(path, path.stat(), HEADER)
