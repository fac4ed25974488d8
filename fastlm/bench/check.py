"""Do they all do the same? Before anything is timed, a few steps are compared with the oracle."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.bench.implementations import Implementation, Turn
from fastlm.bench.oracle import train_in_float64
from fastlm.bench.works import Work, initial_params
from fastlm.errors import FastlmError
from fastlm.model.layout import Layout

__all__ = [
    "BenchmarkError",
    "Checked",
    "check_finite",
    "check_first_loss",
    "check_same_work",
    "check_steps",
]

LOSS_TOLERANCE = 1e-4
MOVE_TOLERANCE = 1e-3

# Weights that moved less than this share of their size are compared by their size: float32 keeps
# no more of them.
_ROUNDING = 1e-5

_LARGE_STEP = 2e9  # FLOP


class BenchmarkError(FastlmError, RuntimeError):
    """Two implementations that were to be compared did different work."""


def check_steps(work: Work) -> int:
    """How many steps to compare: 5, or 2 where a step takes long."""
    return 2 if work.flops_per_token * work.batch > _LARGE_STEP else 5


@dataclass(frozen=True)
class Checked:
    """loss : of the first step, by the oracle, nats
    seconds : of each one's first step, compilation included, by name
    """

    loss: float
    seconds: dict[str, float]


def check_same_work(work: Work, implementations: Iterable[Implementation]) -> Checked:
    """Run the first steps of each and compare them with the float64 oracle.

    Raises BenchmarkError, which names the implementation and both numbers, where
    - a loss differs by more than 1e-4 of its value;
    - the way that a tensor of weights went from its start (its L2 norm) differs by more than 1e-3.
    """
    steps = check_steps(work)
    losses, params = train_in_float64(work, steps)
    seconds = {}
    for implementation in implementations:
        found = implementation.turn(1)
        seconds[implementation.name] = found.seconds
        found_losses = [found.loss, *implementation.run(steps - 1)]
        _compare_losses(work, implementation.name, found_losses, losses)
        _compare_params(work, implementation.name, implementation.params(), params)
    return Checked(losses[0], seconds)


def check_first_loss(work: Work, implementations: Iterable[Implementation], loss: float) -> None:
    """The same where ``check_same_work`` has been in another process: of the first step alone."""
    for implementation in implementations:
        _compare_losses(work, implementation.name, [implementation.turn(1).loss], [loss])


def check_finite(work: Work, name: str, turn: Turn) -> None:
    """BenchmarkError unless the loss that a timed turn reached is a number."""
    if not math.isfinite(turn.loss):
        raise BenchmarkError(
            f"{work.name}: {name} reached a loss of {turn.loss} within {turn.steps} timed steps; "
            "its speed means nothing: use a smaller learning rate for this work"
        )


def _compare_losses(
    work: Work, name: str, found: Sequence[float], expected: Sequence[float]
) -> None:
    for step, (ours, right) in enumerate(zip(found, expected, strict=True), start=1):
        if not abs(ours - right) <= LOSS_TOLERANCE * abs(right):
            raise BenchmarkError(
                f"{work.name}: {name} does other work: its loss at step {step} is {ours:.7g}, and "
                f"{right:.7g} is right (at most {LOSS_TOLERANCE:g} apart); it is not timed"
            )


def _compare_params(
    work: Work, name: str, found: NDArray[Any], expected: NDArray[np.float64]
) -> None:
    layout = Layout(work.model)
    start = layout.views(initial_params(work).astype(np.float64))
    right = layout.views(expected)
    for tensor, ours in layout.views(found.astype(np.float64)).items():
        moved = float(np.linalg.norm(right[tensor] - start[tensor]))
        apart = float(np.linalg.norm(ours - right[tensor]))
        scale = max(moved, _ROUNDING * float(np.linalg.norm(start[tensor])))
        if not apart <= MOVE_TOLERANCE * scale:
            raise BenchmarkError(
                f"{work.name}: {name} does other work: {tensor} moved by "
                f"{float(np.linalg.norm(ours - start[tensor])):.7g}, and {moved:.7g} is right; "
                f"the two are {apart / scale:.2g} of that apart (at most {MOVE_TOLERANCE:g}); "
                "it is not timed"
            )
