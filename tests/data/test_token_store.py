"""The file format of token stores: written whole, read with suspicion."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import fastlm.data.token_store
from fastlm.data.progress import ProgressReporter
from fastlm.data.token_store import StoreWriter, TokenStore, is_store
from fastlm.engine.tokens import token_array, token_counts
from fastlm.errors import ConfigError, StoreError
from fastlm.tokenizers import ByteTokenizer, CharTokenizer, Vocabulary

TOKENIZER = CharTokenizer(Vocabulary.from_symbols("ab"))  # <end>, <unk>, a, b
IDS = [2, 3, 0, 2, 1, 0, 3, 3, 0]


def facts(train: int = 6, total: int = len(IDS)) -> dict[str, object]:
    def part(ids: list[int]) -> dict[str, int]:
        return {
            "tokens": len(ids),
            "documents": ids.count(0),
            "characters": len(ids) - ids.count(0),
            "bytes": len(ids) - ids.count(0),
            "unknown": ids.count(1),
        }

    return {
        "tokenizer": TOKENIZER.to_dict(),
        "tokenizer_fingerprint": TOKENIZER.fingerprint(),
        "vocab": 4,
        "documents": "lines",
        "train": part(IDS[:train]),
        "valid": part(IDS[train:total]),
        "valid_fraction": 0.33,
        "counts": np.bincount(IDS[:train], minlength=4).tolist(),
        "sources": [["a.txt", 9, 0]],
        "text_sha256": "0" * 64,
        "description": "a.txt (9 bytes)",
        "settings": None,
    }


def make(path: Path, **changes: object) -> Path:
    with StoreWriter(path, np.dtype(np.uint16)) as writer:
        writer.write(np.array(IDS[:4], dtype=np.uint16))
        writer.write(np.array(IDS[4:], dtype=np.uint16))
        writer.finish(facts() | changes)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make(tmp_path / "a.tokens")


def test_what_is_written_is_read(path):
    store = TokenStore.open(path)
    assert store.ids.dtype == np.uint16
    assert store.ids.tolist() == IDS
    assert store.train_ids.tolist() == IDS[:6]
    assert store.valid_ids.tolist() == IDS[6:]
    assert store.count == 9
    assert store.documents == "lines"
    assert store.tokenizer == TOKENIZER
    assert store.metadata["description"] == "a.txt (9 bytes)"
    assert store.metadata["library_version"] == fastlm.__version__
    assert "count=9" in repr(store)
    assert os.listdir(path.parent) == ["a.tokens"]


def test_wide_ids(tmp_path):
    with StoreWriter(tmp_path / "a", np.dtype(np.uint32)) as writer:
        writer.write(np.array(IDS, dtype=np.uint32))
        writer.finish(facts())
    store = TokenStore.open(tmp_path / "a")
    assert store.ids.dtype == np.uint32
    assert store.ids.tolist() == IDS


def test_the_ids_are_mapped_and_cannot_be_written_to(path):
    ids = TokenStore.open(path).ids
    with pytest.raises(ValueError, match="read-only"):
        ids[0] = 1


# ---------------------------------------------------------------------------- for the kernels


def test_kernels_get_the_mapped_memory(path):
    ids = TokenStore.open(path).train_ids
    tokens = token_array(ids, 4)
    assert type(tokens.ids) is np.ndarray
    assert tokens.ids.flags.writeable  # else Numba would compile everything once more
    assert np.shares_memory(tokens.ids, ids)
    assert tokens.ids.tolist() == IDS[:6]


def test_counts_come_from_the_metadata(path):
    ids = TokenStore.open(path).train_ids
    ids.counts = np.array([1, 2, 3, 4])
    assert token_counts(ids, 4).tolist() == [1, 2, 3, 4]
    # Not those of a slice, nor for another vocabulary.
    assert token_counts(ids[:2], 4).tolist() == [0, 0, 1, 1]
    assert token_counts(ids, 5).tolist() == [2, 1, 2, 1, 0]
    assert token_counts(np.array([0, 3, 3]), 4).tolist() == [1, 0, 0, 2]


def test_counting_in_parts(monkeypatch):
    monkeypatch.setattr("fastlm.engine.tokens._COUNT_IDS", 3)
    ids = np.arange(10, dtype=np.uint16) % 4
    assert token_counts(ids, 5).tolist() == [3, 3, 2, 2, 0]


def test_ids_for_another_vocabulary(path):
    with pytest.raises(ConfigError, match=r"token id 3 is outside 0\.\.2"):
        token_array(TokenStore.open(path).ids, 3)


def test_kernels_trust_only_what_was_read(path):
    unread, read = (TokenStore.open(path, check=check) for check in (False, None))
    assert (unread.ids.ids_below, read.ids.ids_below) == (None, 4)
    assert unread.train_ids.counts is None
    assert read.train_ids.counts.tolist() == facts()["counts"]
    unread.check()
    assert (unread.valid_ids.ids_below, unread.ids[:3].ids_below) == (4, None)


def test_what_was_read_is_not_read_again_by_the_engine():
    ids = np.zeros(1000, dtype=np.uint16)
    ids[500] = 9
    stored = ids.view(fastlm.data.token_store.StoredIds)
    stored.ids_below = 4
    token_array(stored, 4)
    for unchecked, vocab in ((ids, 4), (stored[:900], 4), (stored, 3)):
        with pytest.raises(ConfigError, match="token id 9 is outside"):
            token_array(unchecked, vocab)


# ---------------------------------------------------------------------------- what is no store


def test_what_begins_like_a_store(path, tmp_path):
    assert is_store(path)
    assert is_store(str(path))
    (tmp_path / "b").write_text("text")
    for other in (tmp_path / "b", tmp_path, tmp_path / "gone", "a\0b", 3, None):
        assert not is_store(other)


def test_no_such_file(tmp_path):
    with pytest.raises(StoreError, match=r"gone: no such file; check the name, or prepare it"):
        TokenStore.open(tmp_path / "gone")


def test_a_folder(tmp_path):
    with pytest.raises(StoreError, match="cannot be read"):
        TokenStore.open(tmp_path)


# ---------------------------------------------------------------------------- large stores


@pytest.fixture
def large(path, tmp_path, monkeypatch):
    """A store that counts as large, and the number of times that a store was read."""
    monkeypatch.setattr("fastlm.data.token_store._SMALL", 4)
    monkeypatch.setenv("FASTLM_CACHE", str(tmp_path / "cache"))
    return path


def flip(path: Path, at: int = 64) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_an_altered_id_is_found_on_opening_whatever_the_size(large):
    flip(large)
    for check in (None, True):
        with pytest.raises(StoreError, match=r"its ids have the checksum [0-9a-f]{8}, not"):
            TokenStore.open(large, check=check)
    with pytest.raises(StoreError, match="checksum"):
        TokenStore.open(large, check=False).check()


def test_an_unchanged_store_is_read_once(large, monkeypatch):
    TokenStore.open(large)
    calls = []
    check = TokenStore.check
    monkeypatch.setattr(
        TokenStore, "check", lambda self, *rest: (calls.append(1), check(self, *rest))[0]
    )
    store = TokenStore.open(large)
    assert (calls, store.ids.ids_below) == ([], 4)
    store.mark_used()
    assert TokenStore.open(large).train_ids.counts is not None
    assert calls == []
    TokenStore.open(large, check=True)
    assert calls == [1]
    os.utime(large, (1, 1))
    TokenStore.open(large)
    assert calls == [1, 1]


def test_a_store_that_was_read_and_changed_is_read_again(large):
    TokenStore.open(large)
    flip(large, 66)
    with pytest.raises(StoreError, match="checksum"):
        TokenStore.open(large)


def test_what_a_program_has_written_it_need_not_read(large, monkeypatch):
    with StoreWriter(large, np.dtype(np.uint16)) as writer:
        writer.write(np.array(IDS, dtype=np.uint16))
        written = writer.finish(facts())
    monkeypatch.setattr(TokenStore, "check", lambda self, *_: pytest.fail("read"))
    assert TokenStore.open(large, written=written).ids.ids_below == 4
    assert TokenStore.open(large).ids.ids_below == 4  # remembered
    with pytest.raises(pytest.fail.Exception):
        TokenStore.open(make(large, description="other"), written=written)


def test_reading_reports_its_progress(path):
    seen = []

    class Listener(fastlm.Callback):
        def on_prepare(self, preparing):
            seen.append(preparing)

    TokenStore.open(path, reporter=ProgressReporter((Listener(),)))
    assert [(one.phase, one.done, one.total, one.ended) for one in seen] == [
        ("checking", 18, 18, True)
    ]


@pytest.mark.parametrize("counts", [[0, 0, 0, 0], [2, 1, 2, 2], [0, 2, 2, 2], [2, 1, 1, 2**62]])
def test_counts_that_are_not_those_of_the_ids(tmp_path, counts):
    assert facts()["counts"] == [2, 1, 2, 1]
    with pytest.raises(StoreError, match="its counts are not those of its ids; copy it again"):
        TokenStore.open(make(tmp_path / "a", counts=counts))


def test_ids_are_counted_across_slices(path, monkeypatch):
    for size in (1, 2, 4, 5, 100):
        monkeypatch.setattr("fastlm.data.token_store._SLICE_IDS", size)
        TokenStore.open(path)


def test_a_tokenizer_of_another_size(tmp_path):
    store = TokenStore.open(make(tmp_path / "a", vocab=5, counts=[2, 1, 2, 1, 0]))
    with pytest.raises(StoreError, match="its tokenizer has 4 tokens, its ids are of 5"):
        _ = store.tokenizer


def test_the_ids_are_those_of_the_file_that_was_opened(path, monkeypatch):
    other = make(path.with_name("b"), description="another")
    parse = fastlm.data.token_store.parse_metadata

    def replace_then_parse(*arguments):
        os.replace(other, path)
        flip(path)
        return parse(*arguments)

    monkeypatch.setattr("fastlm.data.token_store.parse_metadata", replace_then_parse)
    assert TokenStore.open(path).ids.tolist() == IDS


def test_a_check_finds_ids_beyond_the_vocabulary(tmp_path):
    make(tmp_path / "a", vocab=3, counts=[1, 1, 1])
    with pytest.raises(StoreError, match="it has ids beyond its vocabulary"):
        TokenStore.open(tmp_path / "a")


def test_a_tokenizer_that_is_not_known(tmp_path):
    store = TokenStore.open(make(tmp_path / "a", tokenizer={"kind": "klingon"}))
    with pytest.raises(
        StoreError, match=r"tokenizer is 'klingon'; choose one of .*; prepare it again"
    ):
        _ = store.tokenizer


# ---------------------------------------------------------------------------- made with what


def test_a_store_of_another_tokenizer(path):
    store = TokenStore.open(path)
    store.require()
    store.require(tokenizer="char", documents="lines")
    store.require(tokenizer=TOKENIZER)
    with pytest.raises(StoreError, match="was made with the tokenizer char, not word; leave"):
        store.require(tokenizer="word")
    with pytest.raises(StoreError, match="made with the tokenizer char, not byte; prepare the"):
        store.require(tokenizer=ByteTokenizer())
    other = CharTokenizer(Vocabulary.from_symbols("abc"))
    with pytest.raises(StoreError, match=r"made with another char tokenizer \(of 4 tokens, not 5"):
        store.require(tokenizer=other)
    with pytest.raises(StoreError, match="was made with documents='lines', not file; use the same"):
        store.require(documents="file")


# ---------------------------------------------------------------------------- writing


def test_nothing_to_write(tmp_path):
    with (
        pytest.raises(StoreError, match="there is no token to write"),
        StoreWriter(tmp_path / "a", np.dtype(np.uint16)) as writer,
    ):
        writer.finish(facts())
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("fails_at", [1, 2, 3, 4, 5])
def test_a_full_disk_leaves_no_file_and_the_old_store_whole(path, monkeypatch, fails_at):
    before = path.read_bytes()
    calls = []
    write = StoreWriter._write

    def fail(self, data):
        calls.append(len(data))
        if len(calls) == fails_at:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, data)

    monkeypatch.setattr(StoreWriter, "_write", fail)
    message = r"cannot write the token store to .*a\.tokens: No space left on device; free some"
    with pytest.raises(StoreError, match=message):
        make(path)
    assert os.listdir(path.parent) == ["a.tokens"]
    assert path.read_bytes() == before


def test_what_a_sync_beside_the_work_cannot_write_is_not_forgotten(path, monkeypatch):
    before = path.read_bytes()
    monkeypatch.setattr("fastlm.data.token_store._SYNCED_BYTES", 1)
    calls = []

    def fail_once(file):
        calls.append(file)
        if len(calls) == 1:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail_once)
    with pytest.raises(StoreError, match="Input/output error"):
        make(path)
    assert calls
    assert os.listdir(path.parent) == ["a.tokens"]
    assert path.read_bytes() == before


def test_an_interruption_leaves_no_file(path):
    before = path.read_bytes()
    with (
        contextlib.suppress(KeyboardInterrupt),
        StoreWriter(path, np.dtype(np.uint16)) as writer,
    ):
        writer.write(np.array(IDS, dtype=np.uint16))
        raise KeyboardInterrupt
    assert os.listdir(path.parent) == ["a.tokens"]
    assert path.read_bytes() == before


def test_where_no_store_can_be(tmp_path):
    for target, message in (
        (tmp_path, "it is a folder"),
        (tmp_path / "no" / "a", "make the folder first or name another one"),
        ("a\0b", "embedded null|name another file"),
    ):
        with pytest.raises(StoreError, match=message):
            make(target)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_a_store_is_as_private_as_it_must_be(tmp_path):
    with StoreWriter(tmp_path / "a", np.dtype(np.uint16), 0o640) as writer:
        writer.write(np.array(IDS, dtype=np.uint16))
        (unfinished,) = tmp_path.iterdir()
        assert unfinished.stat().st_mode & 0o137 == 0
        writer.finish(facts())
    assert (tmp_path / "a").stat().st_mode & 0o137 == 0


def test_what_a_killed_program_left_is_removed(path):
    code = (
        "import os, sys, numpy as np; from fastlm.data.token_store import StoreWriter\n"
        "StoreWriter(sys.argv[1], np.dtype(np.uint16)).__enter__(); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, path], check=False)
    assert len(os.listdir(path.parent)) == 2
    make(path)
    assert os.listdir(path.parent) == ["a.tokens"]


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_a_link_stays_a_link(path, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(path)
    make(link, description="another")
    assert link.is_symlink()
    assert TokenStore.open(path).metadata["description"] == "another"
