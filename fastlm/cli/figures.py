"""Numbers as people read them: counts, durations, units of quality."""

from __future__ import annotations

import math

__all__ = ["count_text", "duration_text", "quality_unit"]


def quality_unit(tokenizer: str | None) -> str:
    """The unit in which to show a loss: where a token is a character or a byte, bits."""
    return {"char": "bits/char", "byte": "bits/byte"}.get(tokenizer or "", "perplexity")


def count_text(number: float) -> str:
    """Three digits and a unit: 950, 12.3k, 105k, 1.16M."""
    if not math.isfinite(number):
        return "-"
    number = float(f"{number:.3g}")  # so that 999.6 is 1.00k
    for unit, name in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= unit:
            value = number / unit
            return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f}{name}"
    return f"{number:.0f}"


def duration_text(seconds: float) -> str:
    """0:42, 12:07, 1:02:03, 26h03m, 12d04h; "-" when it is not known."""
    if not math.isfinite(seconds):
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 100:
        return f"{hours // 24}d{hours % 24:02}h"
    if hours >= 10:
        return f"{hours}h{minutes:02}m"
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
