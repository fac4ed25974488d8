"""Timed runs of all implementations of a workload, in alternating rounds.

In a round each implementation has one timed run, and the machine's sgemm is measured beside them;
every other round has the opposite order. A slower clock or another program falls on all alike, and
ratios are taken within a round, never between figures of different times.

Runs of several steps start again at the initial weights, since fastlm skips zeros, which become
more in training, and in new arrays, since where arrays lie changes their speed by several percent.
Where each run is a single step training goes on: it comes to few steps, and starting again took
half of the time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastlm.bench.check import check_finite
from fastlm.bench.implementations import Implementation, TimedRun
from fastlm.bench.machine import sgemm_gflops
from fastlm.bench.workloads import Workload

__all__ = ["Figure", "Measurement", "Settings", "figure", "measure_rounds", "ratio", "steps_for"]

# Threads of OpenBLAS and OpenMP go on spinning for up to 0.1 s after their work. Seconds between
# two looks whether they still do, and the longest wait.
_LOOK = 0.01
_LONGEST_WAIT = 0.3

# A timed run is done in this many calls, the last of which are left out when it has taken twice its
# time: beside another program PyTorch's threads can be a thousand times slower.
_CALLS = 4
_LONGEST_RUN = 2.0


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How long to measure, times in seconds."""

    rounds: int  # of each workload
    run_seconds: float  # of a timed run, which has at least one step
    budget: float | None = None  # no workload begins after it; compiling does not count
    start: bool = False  # whether to measure the cold and the warm start


@dataclass(frozen=True)
class Figure:
    """A quantity over the rounds: its median and quartiles, and its value in each round."""

    median: float
    low: float
    high: float
    rounds: list[float]


@dataclass(frozen=True)
class Measurement:
    """Tokens/s of each implementation by name, and the machine's sgemm, GFLOP/s by threads."""

    rates: dict[str, Figure]
    sgemm: dict[int, Figure]


def figure(rounds: Sequence[float]) -> Figure:
    """Return the median and the quartiles of a quantity over the rounds."""
    low, median, high = np.quantile(rounds, (0.25, 0.5, 0.75)).tolist()
    return Figure(median, low, high, list(rounds))


def ratio(above: Sequence[float], below: Sequence[float]) -> Figure:
    """Return the quotient of two quantities, taken within each round."""
    return figure([a / b for a, b in zip(above, below, strict=True)])


def steps_for(implementation: Implementation, seconds: float) -> int:
    """Return the number of steps that take about ``seconds``, at least one, by running some."""
    implementation.timed_run(1)  # may load compiled code
    steps = 1
    while True:
        timed = implementation.timed_run(steps)
        if timed.seconds >= seconds / 4:
            return max(1, round(steps * seconds / timed.seconds))
        steps *= 4


def measure_rounds(
    workload: Workload, implementations: Sequence[Implementation], settings: Settings
) -> Measurement:
    """Measure the implementations of a workload in alternating rounds.

    Raises
    ------
    BenchmarkError
        If a loss stops being a number.
    """
    steps = {each.name: steps_for(each, settings.run_seconds) for each in implementations}
    restart = max(steps.values()) > 1
    rates: dict[str, list[float]] = {each.name: [] for each in implementations}
    sgemm: dict[int, list[float]] = {each.threads: [] for each in implementations}
    for number in range(settings.rounds):
        direction = 1 if number % 2 == 0 else -1
        for threads in list(sgemm)[::direction]:
            _wait_for_threads()
            sgemm[threads].append(sgemm_gflops(threads))
        for implementation in implementations[::direction]:
            _wait_for_threads()
            if restart:
                implementation.restart()
                implementation.run(1)  # the first touch of new memory is not part of the rate
            timed = _timed_run(implementation, steps[implementation.name], settings.run_seconds)
            check_finite(workload, implementation.name, timed)
            rates[implementation.name].append(timed.steps * workload.batch / timed.seconds)
    return Measurement(
        rates={name: figure(values) for name, values in rates.items()},
        sgemm={threads: figure(values) for threads, values in sgemm.items()},
    )


def _timed_run(implementation: Implementation, steps: int, seconds: float) -> TimedRun:
    """Do ``steps`` steps, or fewer where they take far longer than ``seconds``."""
    done, spent, loss = 0, 0.0, math.nan
    while done < steps and spent < _LONGEST_RUN * seconds:
        timed = implementation.timed_run(min(-(-steps // _CALLS), steps - done))
        done, spent, loss = done + timed.steps, spent + timed.seconds, timed.loss
    return TimedRun(done, spent, loss)


def _wait_for_threads() -> None:
    """Wait until no thread of this process spins any more."""
    for _ in range(round(_LONGEST_WAIT / _LOOK)):
        before = time.process_time()
        time.sleep(_LOOK)
        if time.process_time() - before < _LOOK / 4:
            return
