"""Ctrl-C whenever it is pressed, with a cold or warm cache of kernels: 130, quiet, at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from numba import config as numba_config

import fastlm

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
    "words": (
        "train", "corpus.txt", "--tokenizer", "word", "--steps", "100000", "-o", "w.safetensors",
        "--quiet",
    ),
    "inspect": ("inspect", "m.safetensors"),
    "export": ("export", "m.safetensors", "--to", "tokenizer", "-o", "t.json"),
    "bench": ("bench",),
    "compile": ("compile",),
    "help": ("--help",),
}  # fmt: skip


def press(folder, command, seconds, cache=None):
    """Press Ctrl-C after ``seconds``; return (exit code, standard error, how long it took).

    cache : the folder of compiled kernels; None: a new one
    """
    (folder / "corpus.txt").write_text(TEXT * 200, encoding="utf-8")
    make_model().save(folder / "m.safetensors")
    for path in folder.glob("*w.*"):  # of the press before
        path.unlink()
    process = subprocess.Popen(
        [sys.executable, "-m", "fastlm", *COMMANDS[command]],
        cwd=folder,
        env=os.environ | {"NUMBA_CACHE_DIR": str(cache or folder / f"cache {seconds}")},
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


def check(found, early=False):
    """``early``: Python itself may be starting, whose traceback names no file of ours."""
    code, error, seconds = found
    if code == -signal.SIGINT and not error:  # Python was ending, and shells say 130
        return
    if early and code in (1, -signal.SIGINT):
        assert str(Path(fastlm.__file__).parent) not in error
        return
    assert code in (130, 0), error  # 0: it was done before
    assert "Traceback" not in error
    assert "compiled object" not in error
    assert len(error.splitlines()) <= 1, error
    assert seconds < 10


@pytest.mark.parametrize(
    ("command", "seconds"), [("generate", 2.5), ("train", 4.0), ("score", 6.0)]
)
def test_a_press(tmp_path, command, seconds):
    check(press(tmp_path, command, seconds))


def test_what_runs_before_an_interruption_is_quiet_imports_nothing():
    program = "import sys; old = set(sys.modules); import fastlm.cli; print(set(sys.modules) - old)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert eval(done.stdout) <= {"__future__", "fastlm", "fastlm._version", "fastlm.cli"}


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("command", COMMANDS)
def test_twenty_moments(tmp_path, command):
    for moment in range(20):
        check(press(tmp_path, command, 0.2 + moment / 2), early=moment == 0)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("command", COMMANDS)
def test_twenty_moments_with_a_warm_cache(tmp_path, command):
    cache = os.environ["NUMBA_CACHE_DIR"]
    for moment in range(20):
        check(press(tmp_path, command, 0.02 * 1.25**moment, cache), early=True)
