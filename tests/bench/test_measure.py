"""Alternating rounds, and the figures made of them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastlm.bench import measure
from fastlm.bench.check import BenchmarkError
from fastlm.bench.implementations import Implementation, TimedRun
from fastlm.bench.measure import Figure, Settings, figure, measure_rounds, ratio, steps_for

from .conftest import CONCAT

SETTINGS = Settings(rounds=3, run_seconds=1.0)


class Scripted(Implementation):
    """Takes ``seconds`` for a step, by its own account, and writes down what it is asked for."""

    kind = "scripted"

    def __init__(self, name, seconds, diary, threads=1, loss=1.0):
        self.name, self.threads = name, threads
        self._seconds, self._diary, self._loss = seconds, diary, loss

    def run(self, steps):
        self._diary.append((self.name, "untimed", steps))
        return [self._loss] * steps

    def params(self):
        return np.zeros(0, dtype=np.float32)

    def restart(self):
        self._diary.append((self.name, "restart"))

    def timed_run(self, steps):
        self._diary.append((self.name, steps))
        return TimedRun(steps, steps * self._seconds, self._loss)


@pytest.fixture
def sgemm(monkeypatch):
    """No real pauses and no real sgemm; the numbers of threads that it was asked for."""
    asked = []
    monkeypatch.setattr(measure, "sgemm_gflops", lambda n: asked.append(n) or 100.0 * n)
    monkeypatch.setattr(measure.time, "sleep", lambda _: None)
    return asked


def test_figures_are_medians_and_quartiles_and_ratios_those_within_rounds():
    rounds = [5.0, 1.0, 2.0, 4.0, 3.0]
    assert figure(rounds) == Figure(median=3.0, low=2.0, high=4.0, rounds=rounds)
    # The machine became four times slower after the first round; the ratio is the same.
    assert ratio([8.0, 2.0], [4.0, 1.0]).rounds == [2.0, 2.0]


@pytest.mark.parametrize(("per_step", "steps"), [(0.001, 1000), (0.3, 3), (10.0, 1)])
def test_steps_fill_the_run(per_step, steps):
    assert steps_for(Scripted("a", per_step, []), 1.0) == steps


def test_rounds_alternate_and_runs_start_again(sgemm):
    diary = []
    both = [Scripted("a", 0.5, diary, threads=1), Scripted("b", 0.25, diary, threads=2)]
    found = measure_rounds(CONCAT, both, SETTINGS)
    a = [("a", "restart"), ("a", "untimed", 1), ("a", 1), ("a", 1)]
    b = [("b", "restart"), ("b", "untimed", 1), ("b", 1), ("b", 1), ("b", 1), ("b", 1)]
    assert diary[-30:] == a + b + b + a + a + b
    assert sgemm == [1, 2, 2, 1, 1, 2]
    assert found.rates["a"].rounds == [CONCAT.batch / 0.5] * 3
    assert found.rates["b"].median == CONCAT.batch / 0.25
    assert {threads: limit.median for threads, limit in found.sgemm.items()} == {1: 100, 2: 200}


def test_runs_of_a_single_step_go_on(sgemm):
    diary = []
    measure_rounds(CONCAT, [Scripted("a", 2.0, diary), Scripted("b", 1.0, diary)], SETTINGS)
    assert diary[-6:] == [("a", 1), ("b", 1), ("b", 1), ("a", 1), ("a", 1), ("b", 1)]
    assert not any("restart" in entry for entry in diary)
    assert sgemm == [1, 1, 1]  # once a round for each number of threads


@pytest.mark.parametrize(
    ("steps", "calls"), [(1, [1]), (3, [1, 1, 1]), (4, [1] * 4), (7, [2, 2, 2, 1]), (9, [3] * 3)]
)
def test_a_run_is_done_in_four_calls(steps, calls):
    diary = []
    assert measure._timed_run(Scripted("a", 0.01, diary), steps, 1.0).steps == steps
    assert [made for _, made in diary] == calls


def test_a_run_that_takes_far_too_long_is_cut_short():
    assert measure._timed_run(Scripted("a", 0.1, []), 100, 1.0) == TimedRun(25, 2.5, 1.0)


def test_a_loss_that_is_no_number_ends_it(sgemm):
    made = [Scripted("a", 1.0, []), Scripted("b", 1.0, [], loss=math.nan)]
    with pytest.raises(BenchmarkError, match="b reached a loss of nan"):
        measure_rounds(CONCAT, made, SETTINGS)


def test_threads_that_spin_are_waited_for(monkeypatch):
    naps = []
    busy = iter([0.0, 0.01, 0.01, 0.02, 0.02, 0.021])  # processor seconds: idle in the third look
    monkeypatch.setattr(measure.time, "sleep", naps.append)
    monkeypatch.setattr(measure.time, "process_time", lambda: next(busy))
    measure._wait_for_threads()
    assert len(naps) == 3
