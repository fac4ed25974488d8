"""What does a run know besides the arrays of its engine?"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Any

from fastlm.errors import ModelFileError
from fastlm.events import Validation
from fastlm.json_numbers import finite_values
from fastlm.saved_values import FLAG, LIST, MAYBE, NUMBER, PAIR, PLACE, TEXT, WHOLE, checked

__all__ = ["RunState"]


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
