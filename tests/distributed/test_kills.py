"""A rank is killed at a random moment: the run ends with the bytes of an undisturbed one."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fastlm.training.checkpoint import read_checkpoint
from tests.distributed.test_mpi import MPIRUN, environment

pytestmark = pytest.mark.skipif(MPIRUN is None, reason="needs mpi4py and mpirun")

STEPS = 1500
OPTIONS = (
    f"--distributed mpi --threads 1 --tokenizer word --counts none --steps {STEPS} --batch 64 "
    "--hidden 32 --embed 16 --dropout 0.1 --softmax adaptive --checkpoint-every"
).split()


def start(folder, *more, ranks=2):
    pytest.importorskip("mpi4py")
    command = [str(MPIRUN), "-n", str(ranks), sys.executable, "-m", "fastlm", "train", *OPTIONS]
    return subprocess.Popen(
        [*command, "100 steps", "-q", *more],
        cwd=folder,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def processes(folder):
    """The processes of the ranks, by rank, that run in a folder."""
    found = {}
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "environ").read_bytes().split(b"\0")
            is_rank = b"fastlm\0train" in (entry / "cmdline").read_bytes()
            if is_rank and Path(os.readlink(entry / "cwd")) == folder:
                for word in words:
                    name, _, value = word.partition(b"=")
                    if name in (b"OMPI_COMM_WORLD_RANK", b"PMI_RANK"):
                        found[int(value)] = int(entry.name)
        except (OSError, ValueError):
            continue
    return found


def tensors(path):
    data = path.read_bytes()
    return data[8 + int.from_bytes(data[:8], "little") :]


def killed_runs(folder, kills, number=signal.SIGKILL, seed=0, longest=3.0):
    """Start or resume a run until ``kills`` have hit it; return what was said at each.

    Parameters
    ----------
    longest : float
        Seconds of a run before it is hit, at most.
    """
    draw = random.Random(seed)
    checkpoint = folder / "model.checkpoint.safetensors"
    said, steps = [], set()
    while len(said) < kills:
        run = start(folder, *(["--resume"] if checkpoint.exists() else []))
        while run.poll() is None and len(processes(folder)) < 2:
            time.sleep(0.05)
        time.sleep(draw.uniform(1.0, longest))
        ranks = processes(folder)
        if run.poll() is not None or len(ranks) < 2:  # it had ended before
            text = run.communicate(timeout=60)[1]
            assert run.returncode == 0, text
            checkpoint.unlink()
            (folder / "model.safetensors").unlink(missing_ok=True)
            continue
        started = time.monotonic()
        os.kill(ranks[draw.choice((0, 1))], number)
        _, text = run.communicate(timeout=60)
        assert time.monotonic() - started < 30
        assert run.returncode != 0
        said.append(text)
        if checkpoint.exists():
            steps.add(read_checkpoint(checkpoint).run.step)
            assert 0 not in steps
    assert kills < 20 or len(steps) > 3  # they are resumed, and get on
    return said


def ended(folder, ranks=2):
    more = ["--resume"] if (folder / "model.checkpoint.safetensors").exists() else []
    run = start(folder, *more, ranks=ranks)
    _, text = run.communicate(timeout=250)
    assert run.returncode == 0, text
    return tensors(folder / "model.safetensors")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return ended(tmp_path_factory.mktemp("undisturbed"), ranks=1)


@pytest.mark.thorough
def test_two_kills(tmp_path, undisturbed):
    killed_runs(tmp_path, 2)
    assert ended(tmp_path) == undisturbed


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_twenty_kills(tmp_path, undisturbed):
    killed_runs(tmp_path, 20, seed=1, longest=5.0)
    assert ended(tmp_path) == undisturbed


@pytest.mark.slow
def test_a_rank_that_hangs_is_named(tmp_path, undisturbed):
    (said,) = killed_runs(tmp_path, 1, signal.SIGSTOP)
    lines = [line for line in said.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert "has not answered for 15 s" in lines[0]
    assert ended(tmp_path) == undisturbed
