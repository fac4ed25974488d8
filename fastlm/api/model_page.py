"""A model as a notebook shows it: what it is, how good, and how it learnt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastlm.api.history import validations
from fastlm.model.figures import perplexity
from fastlm.system.html_pages import curve, html_table
from fastlm.system.json_values import NUMBER, TEXT, WHOLE

__all__ = ["model_page", "quality_of"]


def quality_of(details: Mapping[str, Any]) -> float | None:
    """Return the validation perplexity of a model's details, None if it was not validated."""
    loss = details.get("valid_loss")
    return perplexity(float(loss)) if loss is not None and NUMBER.holds(loss) else None


def model_page(title: str, facts: Mapping[str, Any], details: Mapping[str, Any]) -> str:
    """Return HTML: a table of facts, those of the run among them, and the curve of validation.

    Parameters
    ----------
    title : str
    facts : mapping
        Of the model, by what they are called.
    details : mapping
        Of its runs; in those of a file anything may stand.
    """
    rows = [(name, value) for name, value in facts.items() if value not in (None, "", ())]
    for name, kind, label in (
        ("corpus", TEXT, "trained on"),
        ("step", WHOLE, "steps"),
        ("epoch", NUMBER, "epochs"),
        ("seconds", NUMBER, "seconds"),
    ):
        if kind.holds(details.get(name)) and details[name] != "":
            rows.append((label, details[name]))
    if (found := quality_of(details)) is not None:
        rows.append(("validation perplexity", found))
    history = [(one.step, one.loss) for one in validations(details)]
    picture = curve(history, "validation loss, nats per token")
    return f"{html_table(rows, caption=title)}{picture}"
