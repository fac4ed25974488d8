"""The length of a run, in steps or minutes, and the learning rate of each of its steps.

Sizes that suit the minutes are chosen before, in ``fastlm.training.defaults``.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.config import TrainingConfig
from fastlm.training.run_state import RunState

__all__ = ["RunPlan", "default_epochs", "learning_rates", "planned_steps"]

# Examples of a run without --epochs, --steps or --minutes: about twenty seconds of training for a
# character model on two cores.
_DEFAULT_EXAMPLES = 5_000_000
# Share of the minutes that is kept for the last validation, at most.
_MOST_RESERVED = 0.1


def default_epochs(examples: int) -> int:
    """Return the epochs that make about five million examples, from 1 to 30."""
    return max(1, min(30, round(_DEFAULT_EXAMPLES / examples)))


def planned_steps(training: TrainingConfig, examples: int) -> int | None:
    """Return the steps of the whole run, or the most if minutes bound it too.

    None if only minutes bound it.
    """
    if training.steps is not None:
        return training.steps
    if training.minutes is not None and training.epochs is None:
        return None
    epochs = default_epochs(examples) if training.epochs is None else training.epochs
    return max(1, math.ceil(epochs * examples / training.batch))


def learning_rates(
    training: TrainingConfig, fractions: NDArray[np.float64], first_step: int
) -> NDArray[np.float64]:
    """Return the learning rates, float64[steps], of the steps from ``first_step`` on.

    fractions : float64[steps], the fraction of the run, 0 to 1, that lies before each step
    """
    left = np.clip(1.0 - fractions, 0.0, 1.0)
    if training.schedule == "constant":
        shape = np.ones_like(left)
    elif training.schedule == "linear":
        shape = left
    else:
        shape = 0.5 * (1.0 - np.cos(math.pi * left))
    if training.warmup:
        steps = np.arange(first_step + 1, first_step + 1 + fractions.size)
        shape = shape * np.minimum(1.0, steps / training.warmup)
    return training.base_lr * shape


class RunPlan:
    """How long a run is, and how far it is at a state; ``examples`` are those of one epoch.

    ``total_steps`` are the planned steps, None if only minutes bound the run.
    """

    def __init__(self, training: TrainingConfig, examples: int) -> None:
        self.training = training
        self.examples = examples
        self.total_steps = planned_steps(training, examples)

    def epoch(self, step: int) -> float:
        """Return the passes over the training examples after ``step`` steps."""
        return step * self.training.batch / self.examples

    def epoch_end(self, step: int) -> int:
        """Return the step that completes the epoch in which ``step`` steps end."""
        batch = self.training.batch
        return -(-(step * batch // self.examples + 1) * self.examples // batch)

    def fraction(self, run: RunState) -> float:
        """Return the share of the run, 0 to 1, that is done: of its steps or time, the larger."""
        return float(self._fraction(run.step, run.seconds, self._seconds(run)))

    def _fraction(self, steps: Any, seconds: Any, all_seconds: float) -> Any:
        of_steps = 0.0 if self.total_steps is None else steps / self.total_steps
        return np.minimum(1.0, np.maximum(of_steps, seconds / all_seconds))

    def _seconds(self, run: RunState) -> float:
        """Return the seconds up to the last validation, which ends with the minutes."""
        if self.training.minutes is None:
            return math.inf
        seconds = 60 * self.training.minutes
        # What was not training was validation, and a checkpoint now and then.
        last = (run.seconds - run.training_seconds) / max(1, len(run.history))
        return seconds - min(max(0.0, last), _MOST_RESERVED * seconds) if run.history else seconds

    def rates(self, run: RunState, steps: int) -> NDArray[np.float64]:
        """Return the learning rates, float64[steps], of the next ``steps`` steps."""
        ahead = np.arange(steps)
        seconds = run.seconds + _seconds_per_step(run) * ahead
        done = self._fraction(run.step + ahead, seconds, self._seconds(run))
        return learning_rates(self.training, np.asarray(done), run.step) * run.rate_factor

    def last_step(self, run: RunState) -> float:
        """Return the step at which the run ends, an estimate if minutes bound it."""
        last = math.inf if self.total_steps is None else self.total_steps
        if self.training.minutes is not None and run.training_seconds:
            left = self._seconds(run) - run.seconds
            last = min(last, run.step + max(1, round(left / _seconds_per_step(run))))
        return last


def _seconds_per_step(run: RunState) -> float:
    return run.training_seconds / max(1, run.step)
