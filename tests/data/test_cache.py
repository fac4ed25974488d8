"""The folder in which training keeps the token stores that it makes."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

import fastlm
from fastlm.data.cache import cache_folder, cache_path, open_cached, remove_old_stores
from fastlm.errors import ConfigError, StoreError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FASTLM_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("FASTLM_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("FASTLM_CACHE")
    if os.name == "nt":
        monkeypatch.setenv("LOCALAPPDATA", str(tmp_path))
        assert cache_folder() == tmp_path / "fastlm" / "Cache"
    elif sys.platform == "darwin":
        assert cache_folder() == Path.home() / "Library" / "Caches" / "fastlm"
    else:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert cache_folder() == tmp_path / "fastlm"
        monkeypatch.setenv("XDG_CACHE_HOME", "not/absolute")
        assert cache_folder() == Path.home() / ".cache" / "fastlm"


def test_a_name_for_all_settings(folder):
    first = cache_path({"a": 1, "b": [2, None]})
    assert first == cache_path({"b": [2, None], "a": 1})
    assert first != cache_path({"a": 1, "b": [3, None]})
    assert first.parent == folder
    assert folder.is_dir()


def test_a_folder_that_cannot_be(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FASTLM_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(StoreError, match=r"cannot be made: .*set FASTLM_CACHE to a folder.*--no-c"):
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


def test_old_stores_and_unfinished_files_are_removed(folder):
    keep = cache_path({})
    entry(folder, keep.name, 10, 40)
    entry(folder, "new.tokens", 10, 20)
    entry(folder, "old.tokens", 10, 31)
    entry(folder, "a.tokens.tmp-1-ab", 10, 2)
    entry(folder, "b.tokens.tmp-2-cd", 10, 0.1)
    entry(folder, "something else", 10, 100)
    remove_old_stores(keep)
    expected = {keep.name, "new.tokens", "b.tokens.tmp-2-cd", "something else"}
    assert set(os.listdir(folder)) == expected


def test_the_least_recently_used_are_removed_above_the_limit(folder, monkeypatch):
    monkeypatch.setenv("FASTLM_CACHE_LIMIT", "0.00000025")  # 250 bytes
    keep = cache_path({})
    entry(folder, keep.name, 100, 9)
    for days in (1, 2, 3):
        entry(folder, f"{days}.tokens", 100, days)
    remove_old_stores(keep)
    assert set(os.listdir(folder)) == {keep.name, "1.tokens"}


@pytest.mark.parametrize("limit", ["lots", "-1", "nan"])
def test_a_limit_that_is_none(folder, monkeypatch, limit):
    monkeypatch.setenv("FASTLM_CACHE_LIMIT", limit)
    with pytest.raises(ConfigError, match=f"FASTLM_CACHE_LIMIT is '{limit}'; set it to a number"):
        remove_old_stores(cache_path({}))
