"""Start-up times of processes that train nothing; `starts.py` has the others."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "arguments",
    [("-c", "pass"), ("-c", "import fastlm"), ("-m", "fastlm", "--help")],
    ids=["python", "import", "help"],
)
def test_process(benchmark, arguments: tuple[str, ...], smoke: bool):
    """Python by itself, for comparison; the import; the command line's help."""
    command = [sys.executable, *arguments]
    rounds = 1 if smoke else 10
    benchmark.pedantic(
        subprocess.run, (command,), {"check": True, "capture_output": True}, rounds=rounds
    )
