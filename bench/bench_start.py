"""Start-up times of whole processes."""

from __future__ import annotations

import subprocess
import sys
from itertools import count

import pytest

from fastlm.bench.start import start_once


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


def test_cold_start(benchmark, tmp_path, smoke: bool):
    """Import, compile, first training step."""
    if smoke:
        pytest.skip("compiles everything once more; runs where benchmarks are timed")
    fresh = (tmp_path / str(number) for number in count())
    seconds = benchmark.pedantic(start_once, setup=lambda: ((next(fresh),), {}))
    assert seconds["first_step"] > 0


def test_warm_start(benchmark, tmp_path, smoke: bool):
    """The same where the kernels are compiled already."""
    start_once()
    benchmark.extra_info |= benchmark.pedantic(start_once, rounds=1 if smoke else 5)
