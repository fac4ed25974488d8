"""A job that gets SIGKILL again and again ends with the bytes of one that never did."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .sources import TEXTS, model_file, write_json, write_lines, write_parquet

SCRIPT = "tests.jobs.killed_job"
ROOT = Path(__file__).parents[2]


def start(*arguments: object) -> subprocess.Popen:
    command = [sys.executable, "-m", SCRIPT, "score", *map(str, arguments), "--threads", "1"]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE)


def end(process: subprocess.Popen) -> None:
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()


def run_and_kill(arguments: list, kills: int) -> int:
    """Kill a job this often, each time soon after its journal has changed; return the kills."""
    journal = Path(f"{arguments[arguments.index('-o') + 1]}.journal")
    chance = random.Random(0)
    for kill in range(kills):
        process = start(*arguments)
        before = journal.stat().st_mtime_ns if journal.exists() else 0
        while process.poll() is None:
            if journal.exists() and journal.stat().st_mtime_ns != before:
                time.sleep(chance.random() * 0.02)
                break
            time.sleep(0.001)
        process.kill()
        process.communicate()
        if process.returncode == 0:
            return kill
    end(start(*arguments))
    return kills


def check(folder: Path, name: str, kills: int) -> None:
    texts = TEXTS * (5 + 3 * kills)
    write = {"jsonl": write_json, "gz": write_lines, "parquet": write_parquet}[name.split(".")[-1]]
    suffix = {"jsonl": "jsonl", "gz": "txt", "parquet": "parquet"}[name.split(".")[-1]]
    path = write(folder / f"in.{suffix}", texts)
    common = [model_file(folder), path, "--max-perplexity", 90, "--resume"]
    end(start(*common, "-o", folder / f"whole-{name}", "--summary", folder / "s.json"))
    left = ["--rejected", folder / f"left.{suffix}"] if suffix == "jsonl" else []
    if left:
        end(start(*common, "-o", folder / "w", "--rejected", folder / "left-whole.jsonl"))
    killed = run_and_kill([*common, "-o", folder / name, *left], kills)
    assert killed == kills
    assert (folder / name).read_bytes() == (folder / f"whole-{name}").read_bytes()
    assert (folder / name).stat().st_size > 1000
    if left:
        assert left[1].read_bytes() == (folder / "left-whole.jsonl").read_bytes()


@pytest.mark.thorough
def test_a_few_kills(tmp_path):
    check(tmp_path, "o.jsonl", 3)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", ["o.jsonl", "o.txt.gz", "o.parquet"])
def test_fifty_kills(tmp_path, name):
    if name == "o.parquet":
        pytest.importorskip("pyarrow")
    check(tmp_path, name, 50)
