"""A model as Python and a notebook show it: what it is, how good, and how it learnt."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastlm.api.history import validations
from fastlm.display.figures import model_text
from fastlm.inference.text_model import TextModel
from fastlm.model.figures import perplexity
from fastlm.system.html_pages import curve, figure_text, html_table
from fastlm.system.json_values import NUMBER, TEXT, WHOLE

__all__ = ["described", "facts_of", "model_page", "quality_of"]


def quality_of(details: Mapping[str, Any]) -> float | None:
    """Return the validation perplexity of a model's details, None if it was not validated."""
    loss = details.get("valid_loss")
    return perplexity(float(loss)) if loss is not None and NUMBER.holds(loss) else None


def described(model: TextModel, details: Mapping[str, Any]) -> str:
    """Return the ``repr`` of a model.

    details : of its runs; in those of a file anything may stand
    """
    vocab = model.tokenizer.vocab_size
    parts = [f"LanguageModel({model.tokenizer.kind}, vocab={vocab}"]
    for network in model.networks:
        config = network.config
        parts.append(
            f"context={config.context}, embed={config.embed}, hidden={config.hidden}, "
            f"combine={config.combine!r}, parameters={network.params.size}"
        )
    if model.counts is not None:
        counts = model.counts.model
        parts.append(f"counts of order {counts.order}, n-grams={sum(counts.counts)}")
    parts.append(f"documents={model.documents!r}")
    if (found := quality_of(details)) is not None:
        parts.append(f"validation perplexity={figure_text(found)}")
    return ", ".join(parts) + ")"


def facts_of(model: TextModel) -> dict[str, Any]:
    """Return the facts about a model that a notebook shows, by what they are called."""
    facts: dict[str, Any] = {
        "tokenizer": f"{model.tokenizer.kind}, {model.tokenizer.vocab_size:,} tokens",
        "documents": model.documents,
    }
    for number, network in enumerate(model.networks, start=1):
        of = "network" if len(model.networks) == 1 else f"network {number}"
        facts[of] = model_text(network.config.to_dict(), network.params.size)
    if model.counts is not None:
        counts = model.counts.model
        facts["counts"] = f"order {counts.order}, {sum(counts.counts):,} n-grams"
    return facts


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
