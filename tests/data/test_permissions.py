"""What is made of a text is no more readable than the text."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import fastlm
from fastlm.data.dataset import build_dataset
from fastlm.data.permissions import store_mode
from fastlm.text.decoding import Reading
from fastlm.text.paths import inputs_of
from fastlm.tokenizers.spec import TokenizerSpec

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")


def texts(tmp_path, *modes):
    paths = []
    for number, mode in enumerate(modes):
        path = tmp_path / f"{number}.txt"
        path.write_text("some text of a few words\n" * 50)
        path.chmod(mode)
        paths.append(path)
    return paths


def mode_of(paths, path):
    return store_mode(inputs_of(paths, Reading(), None), path)


@pytest.mark.parametrize(
    ("modes", "expected"),
    [
        ([0o644], 0o644),
        ([0o600], 0o600),
        ([0o400], 0o600),
        ([0o640], 0o640),
        ([0o644, 0o640], 0o640),
        ([0o640, 0o604], 0o600),
        ([0o777], 0o666),
    ],
)
def test_the_most_that_all_files_allow(tmp_path, modes, expected):
    assert mode_of(texts(tmp_path, *modes), tmp_path / "s") == expected


def test_a_group_that_is_not_ours_may_not_read(tmp_path, monkeypatch):
    paths = texts(tmp_path, 0o640)
    monkeypatch.setattr(os, "getegid", lambda: paths[0].stat().st_gid + 1)
    assert mode_of(paths, tmp_path / "s") == 0o600
    paths[0].chmod(0o644)
    assert mode_of(paths, tmp_path / "s") == 0o644


def test_text_that_is_in_no_file(tmp_path):
    assert store_mode(inputs_of(None, Reading(), ["a b"]), tmp_path / "s") == 0o666


def test_a_prepared_store(tmp_path):
    for mode, expected in ((0o600, 0o600), (0o644, 0o644)):
        fastlm.prepare(texts(tmp_path, mode), tmp_path / f"{mode}.tokens")
        assert (tmp_path / f"{mode}.tokens").stat().st_mode & 0o777 == expected


def test_a_store_of_standard_input(tmp_path):
    (path,) = texts(tmp_path, 0o600)
    with path.open("rb") as file:
        subprocess.run(
            [sys.executable, "-m", "fastlm", "prepare", "-", "-o", tmp_path / "s", "-q"],
            stdin=file,
            check=True,
        )
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600


def test_a_cached_store_and_its_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("fastlm.data.dataset.IN_MEMORY", 10)
    monkeypatch.setenv("FASTLM_CACHE", str(tmp_path / "cache"))
    build_dataset(texts(tmp_path, 0o644), TokenizerSpec.of("char"))
    entries = [tmp_path / "cache", *(tmp_path / "cache").iterdir()]
    assert len(entries) > 1
    assert [entry.stat().st_mode & 0o077 for entry in entries] == [0] * len(entries)
