"""The history of a model: its validations, from the facts that its file keeps."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from fastlm.callbacks import Validation
from fastlm.model.figures import perplexity
from fastlm.system.json_values import NUMBER, WHOLE

__all__ = ["sound_rows", "validations"]

_ROW = {"step": WHOLE, "valid_loss": NUMBER}


def sound_rows(details: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of a file's history, without what no run can have written."""
    rows = details.get("history", ())
    return [
        row | {"train_loss": row["train_loss"] if NUMBER.holds(row.get("train_loss")) else None}
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, dict) and all(kind.holds(row.get(key)) for key, kind in _ROW.items())
    ]


def validations(details: Mapping[str, Any]) -> list[Validation]:
    """Return the validations of a model's details; NaN for what a row does not have."""
    found: list[Validation] = []
    lowest = math.inf
    for row in sound_rows(details):
        loss = float(row["valid_loss"])
        numbers = {
            name: float(row[name]) if NUMBER.holds(row.get(name)) else math.nan
            for name in ("epoch", "seconds", "train_loss")
        }
        found.append(
            Validation(
                step=row["step"],
                epoch=numbers["epoch"],
                elapsed=numbers["seconds"],
                loss=loss,
                perplexity=perplexity(loss),
                train_loss=numbers["train_loss"],
                best=loss < lowest,
            )
        )
        lowest = min(lowest, loss)
    return found
