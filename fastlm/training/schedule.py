"""How long a run is and how its learning rate goes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.config import TrainingConfig

__all__ = [
    "default_epochs",
    "fraction_done",
    "learning_rates",
    "planned_steps",
    "validation_count",
    "validation_places",
]

# Examples that a run without --epochs, --steps or --minutes sees: some twenty seconds for a
# character model on two cores.
_DEFAULT_EXAMPLES = 5_000_000


_MOST_VALIDATIONS = 20


_VALIDATION_REST = 14.0  # times as long as a validation took there is none


def default_epochs(examples: int) -> int:
    """About five million examples, but no more than 30 and no less than one epoch."""
    return max(1, min(30, round(_DEFAULT_EXAMPLES / examples)))


def planned_steps(training: TrainingConfig, examples: int) -> int | None:
    """Steps of the whole run, at most where minutes bound it too; None when only these do."""
    if training.steps is not None:
        return training.steps
    if training.minutes is not None and training.epochs is None:
        return None
    epochs = default_epochs(examples) if training.epochs is None else training.epochs
    return max(1, math.ceil(epochs * examples / training.batch))


def fraction_done(
    training: TrainingConfig, total_steps: int | None, steps: Any, seconds: Any
) -> Any:
    """How much of a run is done (0 to 1) after so many steps and seconds, numbers or arrays: of its
    steps or of its minutes, whichever is more.

    total_steps : what ``planned_steps`` says
    """
    of_steps = 0.0 if total_steps is None else steps / total_steps
    of_time = 0.0 if training.minutes is None else seconds / (60 * training.minutes)
    return np.minimum(1.0, np.maximum(of_steps, of_time))


def learning_rates(
    training: TrainingConfig, fractions: NDArray[np.float64], first_step: int
) -> NDArray[np.float64]:
    """The learning rate of each step, given which fraction (0 to 1) of the run lies before it."""
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


def validation_count(total_examples: float, valid_tokens: int) -> int:
    """Validations over a run: up to twenty, as few as keep them to about a fifteenth of the time.

    A validated token costs a third of a trained one (forward only).
    """
    return max(1, min(_MOST_VALIDATIONS, int(total_examples / (5 * max(1, valid_tokens)))))


def validation_places(done: float, last_seconds: float, minutes: float) -> list[float]:
    """Where a run bounded by time validates from ``done`` on, as fractions of it: at twentieths, as
    few as keep validations to a fifteenth of the time, and at its end.

    last_seconds : that the last validation took, 0 if it is not known
    """
    rest = (_VALIDATION_REST * last_seconds) / (60 * minutes)
    places = [k / _MOST_VALIDATIONS for k in range(1, _MOST_VALIDATIONS)]
    return [place for place in places if done < place and done + rest <= place <= 1 - rest] + [1.0]
