"""Seconds from the start of a process to its first step."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fastlm.bench import start
from fastlm.errors import FastlmError


@pytest.mark.thorough
def test_a_process_trains_one_step():
    seconds = start.start_once(Path(os.environ["NUMBA_CACHE_DIR"]))
    assert seconds.keys() == {"import", "first_step", "total"}
    assert 0 < seconds["import"] + seconds["first_step"] < seconds["total"]


def test_a_process_that_fails_says_why(monkeypatch, tmp_path):
    monkeypatch.setattr(start, "_PROGRAM", "raise SystemExit('no such thing')")
    with pytest.raises(FastlmError, match="ended with 1: no such thing"):
        start.start_once(tmp_path)


def test_cold_is_first_and_both_share_a_folder(monkeypatch):
    folders = []

    def once(cache):
        folders.append(cache)
        return {"total": float(len(folders))}

    monkeypatch.setattr(start, "start_once", once)
    assert start.measure_start() == {"cold": {"total": 1.0}, "warm": {"total": 2.0}}
    assert folders[0] == folders[1]
    assert not folders[0].exists()
