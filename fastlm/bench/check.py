"""Comparison of implementations with the float64 oracle, before anything is timed."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.bench.implementations import Implementation, TimedRun
from fastlm.bench.oracle import train_in_float64
from fastlm.bench.workloads import Workload, initial_params
from fastlm.errors import FastlmError
from fastlm.model.layout import Layout

__all__ = ["BenchmarkError", "check_finite", "check_same_work", "check_steps"]

# Greatest difference of a loss, relative to its value.
LOSS_TOLERANCE = 1e-4
# Greatest L2 distance of a tensor from the oracle's, relative to how far the oracle moved it.
MOVE_TOLERANCE = 1e-3

# A tensor that moved by less than this fraction of its norm is compared by its norm: float32 keeps
# no more digits of the move.
_ROUNDING = 1e-5

# FLOP of a step above which 2 steps are compared in place of 5.
_LARGE_STEP = 2e9


class BenchmarkError(FastlmError, RuntimeError):
    """An implementation did other work than the workload asks for."""


def check_steps(workload: Workload) -> int:
    """Return the number of steps to compare: 5, or 2 where a step takes long."""
    return 2 if workload.flops_per_token * workload.batch > _LARGE_STEP else 5


def check_same_work(
    workload: Workload, implementations: Iterable[Implementation]
) -> dict[str, float]:
    """Run the first steps of each implementation and compare them with the float64 oracle.

    Returns the seconds of each one's first step, compilation included, by its name.

    Raises
    ------
    BenchmarkError
        If a loss differs by more than 1e-4 of its value, or the move of a tensor of weights from
        its start by more than 1e-3 of its L2 norm. The message names the implementation and both
        numbers.
    """
    steps = check_steps(workload)
    losses, params = train_in_float64(workload, steps)
    seconds = {}
    for implementation in implementations:
        first = implementation.timed_run(1)
        seconds[implementation.name] = first.seconds
        found = [first.loss, *implementation.run(steps - 1)]
        _compare_losses(workload, implementation.name, found, losses)
        _compare_params(workload, implementation.name, implementation.params(), params)
    return seconds


def check_finite(workload: Workload, name: str, timed: TimedRun) -> None:
    """Raise BenchmarkError unless the loss after a timed run is a number."""
    if not math.isfinite(timed.loss):
        raise BenchmarkError(
            f"{workload.name}: {name} reached a loss of {timed.loss} within {timed.steps} timed "
            "steps; its speed means nothing: use a smaller learning rate for this workload"
        )


def _compare_losses(
    workload: Workload, name: str, found: Sequence[float], expected: Sequence[float]
) -> None:
    for step, (loss, right) in enumerate(zip(found, expected, strict=True), start=1):
        if not abs(loss - right) <= LOSS_TOLERANCE * abs(right):
            raise BenchmarkError(
                f"{workload.name}: {name} does other work: its loss at step {step} is {loss:.7g}, "
                f"and {right:.7g} is right (at most {LOSS_TOLERANCE:g} apart); it is not timed"
            )


def _compare_params(
    workload: Workload, name: str, found: NDArray[Any], expected: NDArray[np.float64]
) -> None:
    layout = Layout(workload.model)
    start = layout.views(initial_params(workload).astype(np.float64))
    right = layout.views(expected)
    for tensor, values in layout.views(found.astype(np.float64)).items():
        moved = float(np.linalg.norm(right[tensor] - start[tensor]))
        apart = float(np.linalg.norm(values - right[tensor]))
        scale = max(moved, _ROUNDING * float(np.linalg.norm(start[tensor])))
        if not apart <= MOVE_TOLERANCE * scale:
            raise BenchmarkError(
                f"{workload.name}: {name} does other work: {tensor} moved by "
                f"{float(np.linalg.norm(values - start[tensor])):.7g}, and {moved:.7g} is right; "
                f"the two are {apart / scale:.2g} of that apart (at most {MOVE_TOLERANCE:g}); "
                "it is not timed"
            )
