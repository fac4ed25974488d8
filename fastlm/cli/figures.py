"""Numbers as people read them: counts, durations, sizes, quality."""

from __future__ import annotations

import math

__all__ = [
    "count_text",
    "duration_text",
    "megabytes_text",
    "plural",
    "quality_figure",
    "quality_unit",
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


def plural(number: float, noun: str) -> str:
    """Return a number and its noun: 1 step, 1,234 steps, 1.5 epochs."""
    text = f"{number:,}" if isinstance(number, int) else f"{number:.3g}"
    return f"{text} {noun}{'' if text == '1' else 's'}"


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


def megabytes_text(size: int) -> str:
    """Return a number of bytes as MB or GB."""
    return f"{size / 1e6:,.1f} MB" if size < 1e9 else f"{size / 1e9:,.2f} GB"


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
