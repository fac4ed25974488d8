"""Mutated checkpoints are refused or good, within a memory limit (``checkpoint_fuzz.py``)."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.training.runs import cut


def fuzz(path, count, seed=0):
    cut(path, 5, valid_every=0.2, threads=1)
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-m",
            "tests.robustness.checkpoint_fuzz",
            str(count),
            str(seed),
            path,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout)
    assert sum(seen.values()) == count
    assert seen["refused"] > count / 2
    assert seen["loaded read resumed"] > 0  # some mutations change nothing that matters
    return seen


@pytest.mark.thorough
def test_some_mutants(tmp_path):
    fuzz(tmp_path / "c.safetensors", 400)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_20000_mutants(tmp_path):
    fuzz(tmp_path / "c.safetensors", 20_000, seed=1)
