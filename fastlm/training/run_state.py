"""The state of a training run other than the engine's arrays."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.callbacks import Validation
from fastlm.errors import ModelFileError
from fastlm.system.json_values import (
    FLAG,
    LIST,
    MAYBE,
    NUMBER,
    PAIR,
    PLACE,
    TEXT,
    WHOLE,
    checked,
    finite_or_none,
    finite_values,
)

__all__ = ["RunState", "added", "mean", "run_details"]


@dataclass(kw_only=True)
class RunState:
    """What a run knows besides the engine's arrays; all of it is in the checkpoint.

    step : steps done
    seconds : of training, validation and writing, without compiling; training_seconds of training
    history : the validations so far; best : the place of the best of them
    bad_validations : since the best one
    rate_factor : the learning rate is multiplied by it: halved by every rollback
    rollbacks : how often training went back; each with step, back_to, cause, rate_factor
    since_validation, since_row : [sum, number] of the step losses since the last validation, and
        the last row of the metrics
    recent : [sum, weight] of step losses, each e times less after some thousand examples
    usual : the lowest recent loss so far; before, the loss of the first step
    last_loss : mean loss of the last chunk
    rows : of the metrics file
    """

    step: int = 0
    seconds: float = 0.0
    training_seconds: float = 0.0
    history: list[Validation] = field(default_factory=list)
    best: int | None = None
    bad_validations: int = 0
    rate_factor: float = 1.0
    rollbacks: list[dict[str, Any]] = field(default_factory=list)
    since_validation: tuple[float, int] = (0.0, 0)
    since_row: tuple[float, int] = (0.0, 0)
    recent: tuple[float, float] = (0.0, 0.0)
    usual: float = math.nan
    last_loss: float = math.nan
    rows: int = 0

    def copy(self) -> RunState:
        return dataclasses.replace(self, history=list(self.history), rollbacks=list(self.rollbacks))

    @property
    def best_validation(self) -> Validation | None:
        return None if self.best is None else self.history[self.best]

    def to_dict(self) -> dict[str, Any]:
        form = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        form["history"] = [finite_values(dataclasses.asdict(item)) for item in self.history]
        return finite_values(form)

    @classmethod
    def from_dict(cls, form: Any) -> RunState:
        """Raises ModelFileError for what no run can have written."""
        values = checked(form, "run", _RUN_TYPES)
        history = [
            Validation(**checked(item, f"validation {n}", _VALIDATION_TYPES))
            for n, item in enumerate(values["history"])
        ]
        for item in values["rollbacks"]:
            checked(item, "rollback", _ROLLBACK_TYPES)
        best = values["best"]
        if best is not None and best >= len(history):
            raise ModelFileError(f"its best validation is {best} of {len(history)}")
        if not 0 < values["rate_factor"] <= 1:
            raise ModelFileError(f"its rate_factor is {values['rate_factor']}, not in 0 to 1")
        values["history"] = history
        return cls(**values)


_RUN_TYPES = {
    "step": WHOLE,
    "seconds": NUMBER,
    "training_seconds": NUMBER,
    "history": LIST,
    "best": PLACE,
    "bad_validations": WHOLE,
    "rate_factor": NUMBER,
    "rollbacks": LIST,
    "since_validation": PAIR,
    "since_row": PAIR,
    "recent": PAIR,
    "usual": MAYBE,
    "last_loss": MAYBE,
    "rows": WHOLE,
}


_VALIDATION_TYPES = {
    "step": WHOLE,
    "epoch": NUMBER,
    "elapsed": NUMBER,
    "loss": NUMBER,
    "perplexity": NUMBER,
    "train_loss": MAYBE,
    "best": FLAG,
}


_ROLLBACK_TYPES = {"step": WHOLE, "back_to": WHOLE, "cause": TEXT, "rate_factor": NUMBER}


def run_details(run: RunState, epoch: float, corpus: str, reason: str) -> dict[str, Any]:
    """Facts in types that JSON has.

    corpus : what it is, for people; reason : why training ended, ``running`` where it has not
    """
    details: dict[str, Any] = {
        "reason": reason,
        "step": run.step,
        "epoch": epoch,
        "seconds": run.seconds,
        "train_loss": finite_or_none(run.last_loss),
        "corpus": corpus,
        "history": [
            {
                "step": validation.step,
                "epoch": validation.epoch,
                "seconds": validation.elapsed,
                "train_loss": finite_or_none(validation.train_loss),
                "valid_loss": validation.loss,
            }
            for validation in run.history
        ],
    }
    if (best := run.best_validation) is not None:
        details |= {"valid_loss": best.loss, "best_step": best.step}
    if run.rollbacks:
        details["rollbacks"] = run.rollbacks
    return details


def added(so_far: tuple[float, int], losses: NDArray[np.float64]) -> tuple[float, int]:
    """(sum, number) with ``losses`` added one after the other, so that it does not matter how they
    are cut into chunks."""
    total, count = so_far
    return float(np.cumsum(np.concatenate(([total], losses)))[-1]), count + losses.size


def mean(so_far: tuple[float, int]) -> float:
    """Of (sum, number); NaN of none."""
    total, count = so_far
    return total / count if count else math.nan
