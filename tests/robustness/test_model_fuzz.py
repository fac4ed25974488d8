"""Mutated model files are refused or good, and never end the process (``model_fuzz.py``)."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest


def fuzz(folder, count, seed=0):
    """Run in a process of its own, with the bounds of the kernels' arrays checked."""
    cache = os.environ["NUMBA_CACHE_DIR"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.robustness.model_fuzz", str(count), str(seed), folder],
        env=os.environ | {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": f"{cache}-bounds"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout)
    assert sum(seen.values()) == count
    assert seen["refused"] > count / 2
    assert seen["inspected loaded generated scored evaluated"] > 0  # some change nothing
    return seen


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_3000_mutants(tmp_path):
    fuzz(tmp_path, 3000, seed=1)
