"""Locks: one holder at a time, and none that is dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from fastlm.system.file_lock import FileLock


def test_one_holder_at_a_time(tmp_path):
    path = tmp_path / "m.lock"
    with FileLock(path) as first:
        assert first.acquire()
        assert not FileLock(path).acquire()
        assert path.exists()
    assert not path.exists()
    with FileLock(path) as second:
        assert second.acquire()


def test_releasing_what_is_not_held_removes_nothing(tmp_path):
    path = tmp_path / "m.lock"
    with FileLock(path) as first:
        assert first.acquire()
        with FileLock(path) as second:
            assert not second.acquire()
        assert path.exists()


def test_without_a_folder_nothing_is_locked(tmp_path):
    with FileLock(tmp_path / "none" / "m.lock") as lock:
        assert lock.acquire()


_HOLDER = """
import sys, time
from fastlm.system.file_lock import FileLock
lock = FileLock(sys.argv[1])
print(lock.acquire(), flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(os.name == "nt", reason="needs SIGKILL")
def test_a_dead_process_holds_none(tmp_path):
    path = tmp_path / "m.lock"
    holder = subprocess.Popen([sys.executable, "-c", _HOLDER, path], stdout=subprocess.PIPE)
    with holder, FileLock(path) as lock:
        assert holder.stdout.readline() == b"True\n"
        assert not lock.acquire()
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        assert path.exists()
        assert lock.acquire()
    assert not path.exists()
