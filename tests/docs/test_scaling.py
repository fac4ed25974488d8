"""docs/scaling.md: its commands run, and two ranks give the bytes of one."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.distributed.test_mpi import MPIRUN, environment

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
FASTLM = f"{sys.executable} -m fastlm"

pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(MPIRUN is None, reason="needs mpi4py and mpirun"),
]


def commands():
    return re.findall(r"^mpirun .*fastlm train.*$", PAGE, re.MULTILINE)


def run(command, folder):
    pytest.importorskip("mpi4py")
    words = command.replace("mpirun", str(MPIRUN), 1).replace("fastlm", FASTLM, 1).split()
    done = subprocess.run(
        words, cwd=folder, env=environment(), capture_output=True, text=True, timeout=250
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def corpus(folder):
    ids = (np.random.default_rng(0).pareto(0.7, 30_000) * 3).astype(int) % 700
    text = " ".join(f"w{id}" for id in ids)
    (folder / "corpus.txt").write_text(text, encoding="utf-8")


def test_the_commands_run_and_resume_with_the_bytes_of_one_rank(tmp_path):
    first, resumed = commands()
    made = {}
    for folder in (tmp_path / "one", tmp_path / "two"):
        folder.mkdir()
        corpus(folder)
        same = folder.name == "one"
        one = "mpirun -n 1"
        more = " --tokenizer word --softmax adaptive --dropout 0.1 --hidden 32 --embed 16"
        start = first.replace("mpirun -n 2", one) if same else first
        run(f"{start} --steps 150{more}", folder)
        again = resumed.replace("mpirun -n 4", one) if same else resumed
        said = run(f"{again} --steps 300", folder)
        assert ("4 ranks: " in said) != same
        made[folder.name] = (folder / "model.safetensors").read_bytes()
    arrays = [data[8 + int.from_bytes(data[:8], "little") :] for data in made.values()]
    assert arrays[0] == arrays[1]


def test_the_program_runs(tmp_path):
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    corpus(tmp_path)
    steps = program.replace("batch=512", "batch=512, steps=20")
    (tmp_path / "program.py").write_text(f"{steps}\nassert lm.result.step == 20\n")
    run(f"mpirun -n 2 {sys.executable} program.py", tmp_path)
