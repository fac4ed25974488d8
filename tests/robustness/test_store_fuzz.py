"""Mutated token stores are refused or good, and never end the process (``store_fuzz.py``)."""

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
        [sys.executable, "-m", "tests.robustness.store_fuzz", str(count), str(seed), folder],
        env=os.environ | {"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": f"{cache}-bounds"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout)
    assert sum(seen.values()) == count
    assert seen["refused"] > count / 2
    assert seen["trained split validated evaluated"] > 0  # some change nothing that matters
    return seen


@pytest.mark.thorough
def test_some_mutants(tmp_path):
    fuzz(tmp_path, 100)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_2000_mutants(tmp_path):
    fuzz(tmp_path, 2000, seed=1)
