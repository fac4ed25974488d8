"""What stands in JSON for a number that it has not?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

__all__ = ["finite_or_none", "finite_values"]


def finite_or_none(number: float) -> float | None:
    """None for NaN and what is infinite."""
    return number if math.isfinite(number) else None


def finite_values(form: Mapping[str, Any]) -> dict[str, Any]:
    """The same with None for every value that is a float, but not finite."""
    return {
        key: finite_or_none(value) if isinstance(value, float) else value
        for key, value in form.items()
    }
