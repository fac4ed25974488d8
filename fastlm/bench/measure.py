"""How fast, on a machine that is never quite quiet: everybody takes turns, round after round.

What the machine does besides (a slower clock, another process) then falls on all alike, and the
ratio of two is taken within each round, never between figures from different times.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastlm.bench.check import check_finite
from fastlm.bench.implementations import Implementation, Turn
from fastlm.bench.limits import sgemm_gflops
from fastlm.bench.works import Work

__all__ = ["Figure", "Settings", "figure", "measure_in_turns", "ratio", "steps_for", "take_turn"]

# OpenMP's threads (PyTorch's, OpenBLAS's) go on spinning for a few milliseconds after their work;
# who comes next is not to be measured on a busy machine.
_PAUSE = 0.05


@dataclass(frozen=True, kw_only=True)
class Settings:
    """rounds : turns of each; seconds : that a turn should last, at least one step

    limit_seconds : that the machine's own sgemm is measured for, in each round
    budget : seconds after which no further work is begun; None: all works
    start : whether to measure the cold and the warm start
    """

    rounds: int
    seconds: float
    limit_seconds: float
    budget: float | None = None
    start: bool = True


@dataclass(frozen=True)
class Figure:
    """A measured quantity: its median and quartiles over the rounds, and each round's value."""

    median: float
    low: float
    high: float
    rounds: list[float]


def figure(rounds: Sequence[float]) -> Figure:
    low, median, high = (float(q) for q in np.quantile(rounds, (0.25, 0.5, 0.75)))
    return Figure(median, low, high, [float(value) for value in rounds])


def ratio(above: Sequence[float], below: Sequence[float]) -> Figure:
    """above / below, round by round."""
    return figure([a / b for a, b in zip(above, below, strict=True)])


def steps_for(implementation: Implementation, seconds: float) -> int:
    """Steps that take about ``seconds``, at least one; runs some, which also warms caches up."""
    steps = 1
    while True:
        turn = implementation.turn(steps)
        if turn.seconds >= seconds / 4:
            return max(1, round(steps * seconds / turn.seconds))
        steps *= 4


def take_turn(implementation: Implementation, steps: int, seconds: float) -> Turn:
    """About ``steps`` steps, which should take ``seconds``, in four parts: who is slowed down much
    by something (PyTorch's threads by another process, thirtyfold) stops when the time is over."""
    done, spent = 0, 0.0
    while True:
        turn = implementation.turn(max(1, steps // 4))
        done += turn.steps
        spent += turn.seconds
        if done >= steps or spent >= seconds:
            return Turn(done, spent, turn.loss)


def measure_in_turns(
    work: Work,
    implementations: Sequence[Implementation],
    settings: Settings,
) -> tuple[dict[str, Figure], dict[int, Figure]]:
    """Everybody's turns, in paired rounds.

    Returns tokens/s of each implementation by name, and what the machine's sgemm reached meanwhile,
    in GFLOP/s, by number of threads: all the numbers that implementations have.

    Raises BenchmarkError when a loss stops being a number.
    """
    steps = {
        implementation.name: steps_for(implementation, settings.seconds)
        for implementation in implementations
    }
    rates: dict[str, list[float]] = {name: [] for name in steps}
    limits: dict[int, list[float]] = {i.threads: [] for i in implementations}
    for _ in range(settings.rounds):
        for threads, gflops in limits.items():
            time.sleep(_PAUSE)
            gflops.append(sgemm_gflops(threads, settings.limit_seconds))
        for implementation in implementations:
            time.sleep(_PAUSE)
            turn = take_turn(implementation, steps[implementation.name], settings.seconds)
            check_finite(work, implementation.name, turn)
            rates[implementation.name].append(turn.steps * work.batch / turn.seconds)
    return (
        {name: figure(values) for name, values in rates.items()},
        {threads: figure(values) for threads, values in limits.items()},
    )
