"""A run that is killed again and again has a whole checkpoint, and ends with the same bits."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import signal
import subprocess
import sys

import pytest
from numba import config as numba_config

from fastlm.errors import ModelFileError
from fastlm.training.checkpoint import read_checkpoint
from fastlm.training.metrics import read_rows
from fastlm.training.trainer import Trainer
from tests.robustness import killed_run
from tests.robustness.killed_run import CHECKPOINT, METRICS, fingerprint

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")

NO_JIT = bool(numba_config.DISABLE_JIT)

MOMENTS = tuple(killed_run.MOMENTS)


class Killed:
    """A run in a folder, and what it must look like after each of its steps."""

    def __init__(self, program, folder, steps):
        self.program, self.folder, self.steps = program, folder, steps
        self.expected = fingerprints_by_step(steps)
        folder.mkdir()

    def run(self, stop, threads=1):
        """The exit code of a child that was given this order, after checking what it left."""
        order = {"stop": stop, "threads": threads, "steps": self.steps}
        order["folder"] = str(self.folder)
        self.program.stdin.write(json.dumps(order) + "\n")
        self.program.stdin.flush()
        code = json.loads(self.program.stdout.readline())
        assert code in (0, 130, 143, -signal.SIGKILL), code
        return code

    def check(self):
        """The step of the checkpoint, 0 without one: whatever is there is whole and right."""
        newest = 0
        for path in self.folder.iterdir():
            if not path.name.endswith(".safetensors"):
                continue
            checkpoint = read_checkpoint(path)
            found = fingerprint(checkpoint.arrays, checkpoint.run.history)
            assert found == self.expected[checkpoint.run.step], path
            if path.name == CHECKPOINT:
                newest = checkpoint.run.step
        return newest

    def temporary(self):
        return [path.name for path in self.folder.iterdir() if ".tmp-" in path.name]


def fingerprints_by_step(steps):
    """One run, never cut, in one thread: what its state is after each step."""
    found = {}

    trainer = Trainer(killed_run.config(steps, 1), killed_run.TOKENS, killed_run.VALID)
    inspect = trainer._inspect

    def recorded():
        inspect()
        state = trainer.engine.state._asdict()
        found[trainer.engine.step] = fingerprint(state, trainer.history)

    trainer._inspect = recorded
    trainer._bounded = lambda *_: 1  # a call per step
    trainer.fit()
    assert len(trainer.history) > 2
    return found


@pytest.fixture(scope="module")
def program():
    """The program that forks: starting Python once is enough."""
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "tests.robustness.killed_run"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    ) as program:
        assert program.stdout.readline() == "ready\n"
        yield program


@pytest.fixture
def killed(program, tmp_path):
    return lambda steps, name="run": Killed(program, tmp_path / name, steps)


def kill_until_done(run, kills, seed):
    """Kill a run at random; returns how many kills it took, ``kills`` at most."""
    rng = random.Random(seed)
    done = 0
    step = 0
    while done < kills:
        threads = rng.choice((1, 2))
        kind = rng.random()
        if kind < 0.6:
            stop = {"moment": rng.choice(MOMENTS), "count": rng.randint(1, 12)}
        elif kind < 0.8:
            number = rng.choice((signal.SIGKILL, signal.SIGTERM, signal.SIGINT))
            stop = {"step": step + rng.randint(1, 20), "signal": int(number)}
        else:
            stop = {"seconds": rng.uniform(0, 0.15)}
        before = run.temporary()
        code = run.run(stop, threads)
        after = run.check()
        assert after >= step  # never back, whenever it was killed
        step = after
        # Those of the run before are gone, once it had the time to come that far.
        assert not set(before) & set(run.temporary()) or stop.get("seconds", 1) < 0.15
        if code == 0:
            break
        done += 1
    assert run.run(None) == 0
    assert run.check() == run.steps
    assert run.temporary() == []
    return done


def check_metrics(run):
    """A row for each validation, none doubled and none lost."""
    whole = Trainer(killed_run.config(run.steps, 1), killed_run.TOKENS, killed_run.VALID)
    whole.fit()
    rows = [row for row in read_rows(run.folder / METRICS) if row["event"] == "validation"]
    assert [(row["step"], row["valid_loss"], row["train_loss"]) for row in rows] == [
        (validation.step, validation.loss, validation.train_loss) for validation in whole.history
    ]
    saved = read_checkpoint(run.folder / CHECKPOINT)
    assert [dataclasses.replace(v, elapsed=0.0) for v in saved.run.history] == [
        dataclasses.replace(v, elapsed=0.0) for v in whole.history
    ]
    assert saved.params.tobytes() == whole.params.tobytes()


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_while_writing(killed, moment):
    run = killed(30)
    assert run.run({"moment": moment, "count": 2}) == -signal.SIGKILL
    assert len(run.temporary()) == (moment not in ("renamed", "done"))
    assert run.check() in (0, 3, 6)
    assert run.run({"step": 9, "signal": int(signal.SIGTERM)}) == 143
    assert run.temporary() == []
    assert run.check() == 9
    assert run.run(None) == 0
    assert run.check() == 30
    check_metrics(run)


def kill_runs(killed, kills, steps):
    """Runs, one after the other, until so many kills."""
    done = 0
    for seed in range(kills):
        run = killed(steps, f"run{seed}")
        done += kill_until_done(run, kills - done, seed)
        check_metrics(run)
        if done >= kills:
            return
    raise AssertionError(f"only {done} kills in all these runs; make them longer")


@pytest.mark.thorough
def test_killed_at_random(killed):
    kill_runs(killed, 4 if NO_JIT else 10, 60 if NO_JIT else 200)


@pytest.mark.slow
@pytest.mark.skipif(NO_JIT, reason="takes long without compiled kernels")
def test_killed_300_times(killed):
    kill_runs(killed, 300, 1500)


def test_what_is_partial_is_not_taken_for_a_checkpoint(killed):
    run = killed(30)
    run.run({"moment": "part written", "count": 3})
    (name,) = run.temporary()
    with pytest.raises(ModelFileError):
        read_checkpoint(run.folder / name)
