"""Figures as people read them: counts, durations, sizes, quality, the shape of a model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = [
    "count_text",
    "duration_text",
    "model_text",
    "plural",
    "quality_figure",
    "quality_text",
    "quality_unit",
    "size_text",
    "time_text",
    "tokens_text",
]


def quality_unit(tokenizer: str) -> str:
    """Return the unit for a loss: bits if a token is a character or a byte, else perplexity."""
    return {"char": "bits/char", "byte": "bits/byte"}.get(tokenizer, "perplexity")


def quality_figure(loss: float, perplexity: float, unit: str) -> str:
    """Format a loss in nats per token, or its perplexity, by the unit."""
    if unit != "perplexity":
        return f"{loss / math.log(2):.3f}"
    if perplexity >= 1e7:
        return f"{perplexity:.2e}"
    return f"{perplexity:,.2f}" if perplexity < 1e4 else f"{perplexity:,.0f}"


def quality_text(loss: float, tokenizer: str) -> str:
    """Describe a validation loss in nats per token, in every unit."""
    from fastlm.model.figures import perplexity

    unit = quality_unit(tokenizer)
    bits = "" if unit == "perplexity" else f"{quality_figure(loss, 0.0, unit)} {unit}, "
    return f"{bits}perplexity {perplexity(loss):,.2f}, loss {loss:.4f} nats per token"


def model_text(shape: Mapping[str, Any], parameters: int) -> str:
    """Describe a model by the fields of its configuration."""
    layers = ",".join(map(str, shape["hidden"])) or "none"
    pools = " and ".join(map(str, shape.get("far", ())))
    far = f" and {pools} further back" if pools else ""
    return (
        f"context {shape['context']} ({shape['combine']}){far}, embedding {shape['embed']}, "
        f"hidden {layers}: {parameters:,} parameters"
    )


def tokens_text(train: int, valid: int) -> str:
    """Describe the sizes of the training and validation text."""
    held_out = f", {valid:,} for validation" if valid else ""
    return f"{train:,} to train on{held_out}"


def plural(number: float, noun: str) -> str:
    """Return a number and its noun: 1 step, 1,234 steps, 1.5 epochs."""
    text = f"{number:,}" if isinstance(number, int) else f"{number:.3g}"
    return f"{text} {noun}{'' if text == '1' else 's'}"


def time_text(seconds: float) -> str:
    """Return 20 seconds, 1.5 minutes or 2 hours."""
    for unit, noun in ((3600, "hour"), (60, "minute")):
        if seconds >= unit:
            return plural(seconds / unit, noun)
    return plural(seconds, "second")


def count_text(number: float) -> str:
    """Return three digits and a unit: 950, 12.3k, 105k, 1.16M."""
    if not math.isfinite(number):
        return "-"
    number = float(f"{number:.3g}")  # so that 999.6 is 1.00k
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= unit:
            value = number / unit
            return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}{name}"
    return f"{number:.0f}"


def size_text(size: int) -> str:
    """Return a number of bytes and its unit: 950 bytes, 1.2 kB, 23.3 MB, 1.1 GB."""
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= unit:
            return f"{size / unit:,.1f} {name}"
    return f"{size} bytes"


def duration_text(seconds: float) -> str:
    """Return 0:42, 12:07, 1:02:03, 26h03m or 12d04h; "-" if it is not known."""
    if not math.isfinite(seconds):
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 100:
        return f"{hours // 24}d{hours % 24:02}h"
    if hours >= 10:
        return f"{hours}h{minutes:02}m"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
