"""Where the cache folder is, who may read it, and which names in it are fastlm's."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from fastlm.data.cache_folder import (
    cache_folder,
    is_finished_entry,
    is_own_entry,
    make_cache_folder,
    spool_folder,
)
from fastlm.errors import StoreError

OWN = "0123456789abcdef" * 2


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


def test_a_user_without_a_home_folder(monkeypatch):
    monkeypatch.setenv("FASTLM_CACHE", "~/x")

    def no_home(path):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", no_home)
    with pytest.raises(StoreError, match="no home folder for the cache; set FASTLM_CACHE"):
        cache_folder()
    assert spool_folder() is None


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_folders_that_are_made_are_for_their_owner(tmp_path, monkeypatch):
    (tmp_path / "there").mkdir(mode=0o755)
    monkeypatch.setenv("FASTLM_CACHE", str(tmp_path / "there" / "a" / "b"))
    assert make_cache_folder() == tmp_path / "there" / "a" / "b"
    modes = [(tmp_path / "there" / name).stat().st_mode & 0o777 for name in ("", "a", "a/b")]
    assert modes == [0o755, 0o700, 0o700]


def test_temporary_copies_go_to_a_folder_that_is_there(tmp_path, monkeypatch):
    monkeypatch.setenv("FASTLM_CACHE", str(tmp_path / "cache"))
    assert spool_folder() is None
    make_cache_folder()
    assert spool_folder() == tmp_path / "cache"


@pytest.mark.parametrize(
    ("name", "own", "finished"),
    [
        (f"{OWN}.tokens", True, True),
        (f"{OWN}.checked", True, True),
        (f"{OWN}.tokens.tmp-0123abcd-77-0123abcd", True, False),
        (f"{OWN}.checked.tmp-0123abcd-77-0123abcd", True, False),
        (f"{OWN}.tokens.bak", False, False),
        (f"{OWN}.tokens.tmp-1", False, False),
        (f"{OWN.upper()}.tokens", False, False),
        (f"{OWN}0.tokens", False, False),
        ("corpus.tokens", False, False),
        ("notes.tokens.txt", False, False),
    ],
)
def test_names_that_only_fastlm_gives(tmp_path, name, own, finished):
    (tmp_path / name).write_text("")
    assert is_own_entry(tmp_path / name) == own
    assert is_finished_entry(tmp_path / name) == finished


def test_a_folder_is_no_entry(tmp_path):
    (tmp_path / f"{OWN}.tokens").mkdir()
    assert not is_own_entry(tmp_path / f"{OWN}.tokens")
