"""Which rounds do not count, and that the ratios then stay what they are on a noisy machine."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.bench import disturbance, measure
from fastlm.bench.disturbance import (
    OTHERS_BUSY,
    SGEMM_SLOWER,
    busy_seconds,
    disturbances,
    undisturbed,
)
from fastlm.bench.implementations import Implementation, Turn
from fastlm.bench.measure import Settings, measure_in_turns, ratio
from fastlm.bench.run import FULL

from .conftest import CONCAT


def test_an_sgemm_that_threads_speed_up_less_is_a_disturbance():
    limits = [{1: 100.0, 2: 200.0}, {1: 100.0, 2: 150.0}, {1: 50.0, 2: 50.0}, {1: 99.0, 2: 198.0}]
    found = disturbances(limits, [None] * 4)
    slower = np.array([0.0, 0.25, 0.5, 0.0])
    assert found == pytest.approx(slower / SGEMM_SLOWER, abs=0.02)
    assert undisturbed([*found, 0.1]) == [0, 1, 3, 4]


def test_what_slows_all_processors_is_none():
    limits = [{1: 100.0, 2: 200.0}, {1: 50.0, 2: 100.0}, {1: 20.0, 2: 41.0}]
    assert disturbances(limits, [None] * 3) == pytest.approx([0.0] * 3, abs=0.1)


def test_where_all_have_as_many_threads_a_slow_sgemm_is_one():
    slower = np.array([0.0, 0.0, 0.5, 0.3])
    limits = [{2: 200.0 * (1 - share)} for share in slower]
    assert disturbances(limits, [None] * 4) == pytest.approx(slower / SGEMM_SLOWER)


def test_what_others_took_is_a_disturbance():
    took = [0.0, 0.9, 0.1]
    assert disturbances([{1: 100.0}] * 3, took) == pytest.approx(
        [each / OTHERS_BUSY for each in took]
    )


def test_where_too_few_rounds_are_clean_the_better_half_does():
    assert undisturbed([6.0, 2.0, 0.0, 3.0, 5.0]) == [1, 2, 3]


def test_nothing_that_an_implementation_does_leaves_a_round_out(quiet):
    """Slow in every other turn by its own fault: all rounds count."""
    turns = iter(range(1000))

    class Unsteady(Steady):
        def turn(self, steps):
            return Turn(steps, steps * (0.01 if next(turns) % 2 else 0.1), 1.0)

    found = measure_in_turns(CONCAT, [Unsteady(), Steady()], Settings(**SHORT, rounds=6))
    assert (found.rounds, found.clean) == (6, 6)
    assert len(found.rates["steady"].rounds) == 6


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_work_keeps_a_processor_busy():
    if (before := busy_seconds()) is None:
        pytest.skip("this machine does not tell")
    used = time.process_time()
    while time.process_time() - used < 0.1:
        pass
    assert busy_seconds() - before >= 0.05


@pytest.mark.parametrize("text", ["", "cpu 1 2 3\n", "cpu0 1 2\n", "cpu0 a b c d e f g h\n"])
def test_what_cannot_be_read_is_unknown(tmp_path, monkeypatch, text):
    path = tmp_path / "stat"
    path.write_text(text, "ascii")
    monkeypatch.setattr(disturbance, "_STAT", path)
    assert busy_seconds() is None


def test_a_quota_makes_it_unknown(monkeypatch):
    monkeypatch.setattr(disturbance, "available_processors", lambda: 0)
    assert busy_seconds() is None


def test_rounds_go_on_until_enough_are_clean(quiet, monkeypatch):
    others = iter([0.0, 5.0, 5.0, 5.0] + [0.0] * 100)  # of a round: busy_seconds before and after
    clock = iter(np.arange(1000.0))
    monkeypatch.setattr(measure, "_others", lambda *_: next(others))
    monkeypatch.setattr(measure.time, "perf_counter", lambda: next(clock))
    found = measure_in_turns(
        CONCAT, [Steady(), Steady()], Settings(**SHORT, rounds=3, work_seconds=500.0)
    )
    assert (found.rounds, found.clean) == (6, 3)


def test_rounds_end_when_the_time_is_over(quiet, monkeypatch):
    monkeypatch.setattr(measure, "_others", lambda *_: 5.0)
    found = measure_in_turns(CONCAT, [Steady(), Steady()], Settings(**SHORT, rounds=3))
    assert (found.rounds, found.clean) == (3, 0)
    assert len(found.rates["steady"].rounds) == 2


# ---------------------------------------------------------------------------- a simulated machine

SHORT = {"seconds": 0.1, "limit_seconds": 0.05}


class Steady(Implementation):
    kind, name, threads = "steady", "steady", 2

    def run(self, steps):
        return [1.0] * steps

    def params(self):
        return np.zeros(0, dtype=np.float32)

    def turn(self, steps):
        return Turn(steps, steps * 0.01, 1.0)


@pytest.fixture
def quiet(monkeypatch) -> Iterator[None]:
    """No real pauses, an sgemm that is always the same, nobody else."""
    monkeypatch.setattr(measure, "sgemm_gflops", lambda threads, _: 100.0 * threads)
    monkeypatch.setattr(measure.time, "sleep", lambda _: None)
    monkeypatch.setattr(measure, "_others", lambda *_: 0.0)


class NoisyMachine:
    """Its time passes as work is done.

    Everything takes a time of its own that varies (lognormal, ``jitter``); now and then a turn has
    a hiccup of three times as long; the clock of the processor drifts by a fifth, and for a share
    of the time another program takes one of the two processors.
    """

    def __init__(self, seed: int, jitter: float, busy: float) -> None:
        self._rng = np.random.default_rng(seed)
        self._jitter, self._busy = jitter, busy
        self._switch, self._disturbed = 0.0, False
        self.now = 0.0
        self.others = 0.0

    def work(self, seconds: float, threads: int) -> float:
        """Let time pass for work that takes so long undisturbed; returns how long it took."""
        took = seconds * self._rng.lognormal(0.0, self._jitter)
        took *= 1 + 0.1 * math.sin(self.now / 20)
        if self._rng.random() < 0.03:
            took *= 3
        if self.now >= self._switch:  # a few seconds of one, then of the other
            self._disturbed = bool(self._rng.random() < self._busy)
            self._switch = self.now + self._rng.exponential(3.0)
        if self._disturbed:
            took *= 1.1 if threads == 1 else 1 + self._rng.uniform(0.5, 8)
            self.others += took
        self.now += took
        return took


class Simulated(Implementation):
    kind = "simulated"

    def __init__(self, name: str, machine: NoisyMachine, step_seconds: float, threads: int) -> None:
        self.name, self.threads = name, threads
        self._machine, self._step_seconds = machine, step_seconds

    def run(self, steps):
        return [1.0] * steps

    def params(self):
        return np.zeros(0, dtype=np.float32)

    def turn(self, steps):
        return Turn(steps, self._machine.work(steps * self._step_seconds, self.threads), 1.0)


STEPS = {
    "pure Python": (0.05, 1),
    "PyTorch": (0.003, 2),
    "fastlm 1": (2e-3, 1),
    "fastlm": (1e-3, 2),
}


def ratios_of_a_run(machine: NoisyMachine) -> dict[str, float]:
    """What a full run would report: fastlm against each."""
    parts = {name: Simulated(name, machine, *facts) for name, facts in STEPS.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            measure, "sgemm_gflops", lambda threads, s: threads * s / machine.work(s, threads)
        )
        patch.setattr(measure.time, "sleep", lambda seconds: None)
        patch.setattr(measure.time, "perf_counter", lambda: machine.now)
        patch.setattr(measure.time, "process_time", lambda: 0.0)
        patch.setattr(measure, "busy_seconds", lambda: machine.others)
        found = measure_in_turns(CONCAT, list(parts.values()), replace(FULL, sweeps=1))
    ours = found.rates["fastlm"].rounds
    return {name: ratio(ours, rate.rounds).mean for name, rate in found.rates.items()}


@settings(deadline=None, max_examples=40, derandomize=True)
@given(
    seeds=st.tuples(st.integers(0, 2**32), st.integers(0, 2**32)),
    jitter=st.floats(0.0, 0.08),
    busy=st.floats(0.0, 0.35),
)
def test_two_runs_on_a_noisy_machine_agree_within_ten_percent(seeds, jitter, busy):
    runs = [ratios_of_a_run(NoisyMachine(seed, jitter, busy)) for seed in seeds]
    for name, (step, _) in STEPS.items():
        first, second = (run[name] for run in runs)
        assert abs(first / second - 1) < 0.1, name
        # And it is the right one, not only the same twice.
        assert first == pytest.approx(step / STEPS["fastlm"][0], rel=0.1)


def test_a_plain_mean_of_each_would_not_agree():
    """That the simulated noise is noise: means over all turns are far apart."""

    def mean_ratio(seed):
        machine = NoisyMachine(seed, 0.08, 0.5)
        sums = dict.fromkeys(STEPS, 0.0)
        for _ in range(20):
            for name, (_, threads) in STEPS.items():
                sums[name] += machine.work(0.2, threads)
        return sums["pure Python"] / sums["fastlm"]

    found = [mean_ratio(seed) for seed in range(10)]
    assert max(found) / min(found) > 1.3
