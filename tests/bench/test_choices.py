"""`bench/choices.py`: one setting is changed at a time, and the others stay as picked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import config

BENCH = Path(__file__).parents[2] / "bench"


@pytest.mark.skipif(bool(config.DISABLE_JIT), reason="trains several models")
def test_a_line_for_what_was_picked_and_one_for_each_change(tmp_path):
    names = tmp_path / "names"
    names.mkdir()
    rng = np.random.default_rng(0)
    for part, count in (("train", 600), ("valid", 100)):
        lines = ["".join(rng.choice(list("abcde"), 6)) for _ in range(count)]
        (names / f"{part}.txt").write_text("\n".join(lines))
    command = [sys.executable, BENCH / "choices.py", tmp_path, "--epochs", "1"]
    for change in ("no weight decay", "no far context", "one layer"):
        command += ["--change", change]
    run = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"FASTLM_THREADS": "1"}
    )
    assert run.returncode == 0, run.stderr
    title, _, _, _, *lines = run.stdout.strip().splitlines()
    assert title == "names, 1 epochs"
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    # Characters have no far context that could be left out.
    assert [cell[0] for cell in cells] == ["as picked", "no weight decay", "one layer"]
    assert cells[0][2] == "+0.0%"
    figures = [float(cell[1]) for cell in cells]
    assert all(1 < figure < 3 for figure in figures)
    assert figures[0] != figures[2]


def test_a_folder_without_corpora_is_refused(tmp_path):
    run = subprocess.run(
        [sys.executable, BENCH / "choices.py", tmp_path], capture_output=True, text=True
    )
    assert (run.returncode, run.stdout) == (1, "")
    assert run.stderr == f"error: {tmp_path} holds none of the corpora asked for\n"
