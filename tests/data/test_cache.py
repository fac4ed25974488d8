"""The folder in which training keeps the token stores that it makes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

import fastlm
from fastlm.data.cache import cache_path, open_cached, remove_old_stores
from fastlm.errors import ConfigError, StoreError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FASTLM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_name_for_all_settings(folder):
    first = cache_path({"a": 1, "b": [2, None]})
    assert first == cache_path({"b": [2, None], "a": 1})
    assert first != cache_path({"a": 1, "b": [3, None]})
    assert first.parent == folder
    assert folder.is_dir()


def test_a_folder_that_cannot_be(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FASTLM_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(
        StoreError, match=r"cannot be made: .*set FASTLM_CACHE to a folder.*cache=False"
    ):
        cache_path({})


def test_only_a_sound_store_with_these_settings_is_used(folder):
    path = cache_path({})
    assert open_cached(path, {}) is None
    path.write_text("no store")
    assert open_cached(path, {}) is None
    fastlm.prepare(None, path, texts=["ab"])
    assert open_cached(path, {}) is None  # made with settings=None
    os.utime(path, (1, 1))
    assert open_cached(path, None).count == 3
    assert time.time() - path.stat().st_mtime < 60


def entry(folder: Path, name: str, size: int, days: float) -> Path:
    path = folder / name
    path.write_bytes(bytes(size))
    used = time.time() - days * 86_400
    os.utime(path, (used, used))
    return path


def own(number: int, suffix: str = ".tokens") -> str:
    return f"{number:032x}{suffix}"


def test_old_stores_and_unfinished_files_are_removed(folder):
    keep = cache_path({})
    entry(folder, keep.name, 10, 40)
    entry(folder, own(1), 10, 20)
    entry(folder, own(2), 10, 31)
    entry(folder, own(3, ".tokens.tmp-0000000a-1-000000ab"), 10, 2)
    entry(folder, own(4, ".tokens.tmp-0000000a-1-000000ab"), 10, 0.1)
    entry(folder, own(5, ".checked"), 10, 20)
    entry(folder, own(6, ".checked"), 10, 31)
    remove_old_stores(keep)
    expected = {
        keep.name, own(1), own(4, ".tokens.tmp-0000000a-1-000000ab"), own(5, ".checked")
    }  # fmt: skip
    assert set(os.listdir(folder)) == expected


def test_files_of_others_are_never_removed(folder, monkeypatch):
    monkeypatch.setenv("FASTLM_CACHE_LIMIT", "0")
    keep = cache_path({})
    others = {"corpus.tokens", "corpus.tokens.txt", "a.tokens.tmp-1-ab", own(1, ".tokens.bak"), "x"}
    for name in others:
        entry(folder, name, 1000, 100)
    (folder / own(2)).mkdir()
    remove_old_stores(keep)
    assert set(os.listdir(folder)) == others | {own(2)}


def test_the_least_recently_used_are_removed_above_the_limit(folder, monkeypatch):
    monkeypatch.setenv("FASTLM_CACHE_LIMIT", "0.00000025")  # 250 bytes
    keep = cache_path({})
    entry(folder, keep.name, 100, 9)
    for days in (1, 2, 3):
        entry(folder, own(days), 100, days)
    remove_old_stores(keep)
    assert set(os.listdir(folder)) == {keep.name, own(1)}


@pytest.mark.parametrize("limit", ["lots", "-1", "nan"])
def test_a_limit_that_is_none(folder, monkeypatch, limit):
    monkeypatch.setenv("FASTLM_CACHE_LIMIT", limit)
    with pytest.raises(ConfigError, match=f"FASTLM_CACHE_LIMIT is '{limit}'; set it to a number"):
        remove_old_stores(cache_path({}))
