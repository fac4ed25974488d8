"""The state of a training run other than the engine's arrays."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastlm.callbacks import Validation
from fastlm.errors import ModelFileError
from fastlm.system.json_values import (
    FLAG,
    LIST,
    NUMBER,
    NUMBER_OR_NULL,
    PAIR,
    TEXT,
    WHOLE,
    finite_or_none,
    finite_values,
    or_null,
    read_object,
)

__all__ = ["RunState", "RunningMean"]


class RunningMean(NamedTuple):
    """A mean of step losses that does not depend on how the steps are grouped into calls."""

    total: float = 0.0
    """Sum of the losses, in nats."""
    steps: int = 0

    def add(self, losses: NDArray[np.float64]) -> RunningMean:
        """Return the mean with ``losses``, float64[steps], added one after the other."""
        total = np.cumsum(np.concatenate(([self.total], losses)))[-1]
        return RunningMean(float(total), self.steps + losses.size)

    @property
    def value(self) -> float:
        """Nats; NaN before the first step."""
        return self.total / self.steps if self.steps else math.nan


@dataclass(kw_only=True)
class RunState:
    """What a run knows besides the engine's arrays; a checkpoint holds all of it."""

    step: int = 0
    """Steps done."""
    seconds: float = 0.0
    """Duration of training, validation and writing, without compilation."""
    training_seconds: float = 0.0
    """Duration of the training steps alone."""
    history: list[Validation] = field(default_factory=list)
    """The validations so far."""
    best: int | None = None
    """Index of the best validation in ``history``."""
    bad_validations: int = 0
    """Validations since the best one."""
    rate_factor: float = 1.0
    """Factor of the learning rate, in (0, 1]; each rollback halves it."""
    rollbacks: list[dict[str, Any]] = field(default_factory=list)
    """The rollbacks so far, each with ``step``, ``back_to``, ``cause`` and ``rate_factor``."""
    since_validation: RunningMean = field(default_factory=RunningMean)
    """Step losses since the last validation."""
    since_row: RunningMean = field(default_factory=RunningMean)
    """Step losses since the last row of the metrics file."""
    recent_loss: tuple[float, float] = (0.0, 0.0)
    """Decaying sum of step losses and of their weights (``fastlm.training.divergence``)."""
    lowest_recent_loss: float = math.nan
    """Lowest recent loss so far, in nats; at first the loss of the first step."""
    last_loss: float = math.nan
    """Mean loss of the last compiled call, in nats."""
    rows: int = 0
    """Rows of the metrics file."""

    def copy(self) -> RunState:
        """Return a copy that shares nothing that changes."""
        return dataclasses.replace(self, history=list(self.history), rollbacks=list(self.rollbacks))

    @property
    def best_validation(self) -> Validation | None:
        """The validation with the lowest loss, None before the first one."""
        return None if self.best is None else self.history[self.best]

    def add_validation(self, validation: Validation) -> None:
        """Append a validation to the history and count it."""
        self.history.append(validation)
        self.since_validation = RunningMean()
        self.bad_validations += 1
        if validation.best:
            self.best, self.bad_validations = len(self.history) - 1, 0

    def details(self, epoch: float, corpus: str, reason: str) -> dict[str, Any]:
        """Return the facts that a model file keeps, as JSON values.

        ``corpus`` describes the corpus; ``reason`` is why training ended, ``running`` if not yet.
        """
        details: dict[str, Any] = {
            "reason": reason,
            "step": self.step,
            "epoch": epoch,
            "seconds": self.seconds,
            "train_loss": finite_or_none(self.last_loss),
            "corpus": corpus,
            "history": [
                {
                    "step": validation.step,
                    "epoch": validation.epoch,
                    "seconds": validation.elapsed,
                    "train_loss": finite_or_none(validation.train_loss),
                    "valid_loss": validation.loss,
                }
                for validation in self.history
            ],
        }
        if (best := self.best_validation) is not None:
            details |= {"valid_loss": best.loss, "best_step": best.step}
        if self.rollbacks:
            details["rollbacks"] = self.rollbacks
        return details

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        form = {_KEYS.get(f.name, f.name): getattr(self, f.name) for f in dataclasses.fields(self)}
        form["history"] = [finite_values(dataclasses.asdict(item)) for item in self.history]
        return finite_values(form)

    @classmethod
    def from_dict(cls, form: Any) -> RunState:
        """Read the JSON form; raise ModelFileError for one that no run can have written."""
        values = read_object(form, "its run", _RUN_KINDS, ModelFileError)
        history = [
            Validation(
                **read_object(item, f"its validation {n}", _VALIDATION_KINDS, ModelFileError)
            )
            for n, item in enumerate(values["history"])
        ]
        for item in values["rollbacks"]:
            read_object(item, "its rollback", _ROLLBACK_KINDS, ModelFileError)
        best = values["best"]
        if best is not None and best >= len(history):
            raise ModelFileError(f"its best validation is {best} of {len(history)}")
        if not 0 < values["rate_factor"] <= 1:
            raise ModelFileError(f"its rate_factor is {values['rate_factor']}, not in 0 to 1")
        values["history"] = history
        for name, key in _KEYS.items():
            values[name] = values.pop(key)
        for name in ("since_validation", "since_row"):
            values[name] = RunningMean(*values[name])
        return cls(**values)


# Attributes that have another key in the JSON form.
_KEYS = {"recent_loss": "recent", "lowest_recent_loss": "usual"}

_RUN_KINDS = {
    "step": WHOLE,
    "seconds": NUMBER,
    "training_seconds": NUMBER,
    "history": LIST,
    "best": or_null(WHOLE),
    "bad_validations": WHOLE,
    "rate_factor": NUMBER,
    "rollbacks": LIST,
    "since_validation": PAIR,
    "since_row": PAIR,
    "recent": PAIR,
    "usual": NUMBER_OR_NULL,
    "last_loss": NUMBER_OR_NULL,
    "rows": WHOLE,
}

_VALIDATION_KINDS = {
    "step": WHOLE,
    "epoch": NUMBER,
    "elapsed": NUMBER,
    "loss": NUMBER,
    "perplexity": NUMBER,
    "train_loss": NUMBER_OR_NULL,
    "best": FLAG,
}

_ROLLBACK_KINDS = {"step": WHOLE, "back_to": WHOLE, "cause": TEXT, "rate_factor": NUMBER}
