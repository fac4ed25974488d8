"""Ctrl-C with a cold cache of kernels: 130, quiet and at once, whenever it is pressed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest
from numba import config as numba_config

from .conftest import TEXT, make_model

pytestmark = [
    pytest.mark.skipif(os.name == "nt", reason="needs SIGINT"),
    pytest.mark.skipif(bool(numba_config.DISABLE_JIT), reason="nothing is compiled"),
]

COMMANDS = {
    "generate": ("generate", "m.safetensors", "--length", "5"),
    "score": ("score", "m.safetensors", "corpus.txt"),
    "eval": ("eval", "m.safetensors", "corpus.txt"),
    "train": ("train", "corpus.txt", "--steps", "100000", "-o", "new.safetensors", "--quiet"),
    "prepare": ("prepare", "corpus.txt", "-o", "new.tokens", "--quiet"),
}


def press(folder, command, seconds):
    """Press Ctrl-C after ``seconds``; return (exit code, standard error, how long it took)."""
    (folder / "corpus.txt").write_text(TEXT * 200, encoding="utf-8")
    make_model().save(folder / "m.safetensors")
    process = subprocess.Popen(
        [sys.executable, "-m", "fastlm", *COMMANDS[command]],
        cwd=folder,
        env=os.environ | {"NUMBA_CACHE_DIR": str(folder / f"cache {seconds}")},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    time.sleep(seconds)
    if process.poll() is not None:
        return process.returncode, process.communicate()[1], 0.0
    pressed = time.monotonic()
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=60)[1]
    return process.returncode, error, time.monotonic() - pressed


def check(found):
    code, error, seconds = found
    assert code in (130, 0)  # 0: it was done before
    assert "Traceback" not in error
    assert "compiled object" not in error
    assert len(error.splitlines()) <= 1, error
    assert seconds < 10


@pytest.mark.parametrize(
    ("command", "seconds"), [("generate", 2.5), ("train", 4.0), ("score", 6.0)]
)
def test_a_press(tmp_path, command, seconds):
    check(press(tmp_path, command, seconds))


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("command", COMMANDS)
def test_twenty_moments(tmp_path, command):
    for moment in range(20):
        check(press(tmp_path, command, 1.0 + moment / 2))
