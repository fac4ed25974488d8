"""Mutated tokenizer files are refused or good (``tokenizer_fuzz.py``)."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest


def fuzz(folder, count, seed=0):
    done = subprocess.run(
        [sys.executable, "-m", "tests.robustness.tokenizer_fuzz", str(count), str(seed), folder],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    seen = json.loads(done.stdout)
    assert sum(seen.values()) == count
    assert seen["refused"] > count / 3
    assert seen["read encoded decoded"] > count / 10
    return seen


@pytest.mark.thorough
def test_some_mutants(tmp_path):
    fuzz(tmp_path, 100)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_500_mutants(tmp_path, seed):
    fuzz(tmp_path, 500, seed)
