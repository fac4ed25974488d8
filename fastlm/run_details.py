"""Which facts about a run stay with its model?"""

from __future__ import annotations

from typing import Any

from fastlm.json_numbers import finite_or_none
from fastlm.run_state import RunState

__all__ = ["run_details"]


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
