"""Are the values in a JSON object what they must be?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from fastlm.errors import ModelFileError

__all__ = ["FLAG", "LIST", "MAYBE", "NUMBER", "PAIR", "PLACE", "TEXT", "WHOLE", "checked"]

WHOLE, NUMBER, MAYBE, PAIR = "a whole number", "a number", "a number or null", "two numbers"
LIST, TEXT, FLAG, PLACE = "a list", "text", "true or false", "a whole number or null"


def checked(form: Any, what: str, types: Mapping[str, str]) -> dict[str, Any]:
    """The values of a JSON object with exactly these keys, each of its type."""
    if not isinstance(form, dict):
        raise ModelFileError(f"its {what} is not a JSON object")
    if form.keys() != types.keys():
        odd = sorted(map(str, form.keys() ^ types.keys()))[0]
        raise ModelFileError(f"its {what} lacks {odd!r}, or has it and should not")
    values = dict(form)
    for key, kind in types.items():
        value = form[key]
        if not _is_of(kind, value):
            raise ModelFileError(f"its {what} has {key} {str(value)[:40]!r}, not {kind}")
        if kind == PAIR:
            values[key] = tuple(value)
        elif kind == MAYBE and value is None:
            values[key] = math.nan
    return values


def _is_of(kind: str, value: Any) -> bool:
    whole = isinstance(value, int) and not isinstance(value, bool)
    number = (whole and abs(value) < 2**63) or (isinstance(value, float) and math.isfinite(value))
    if kind == WHOLE:
        return whole and 0 <= value < 2**62
    if kind == PLACE:
        return value is None or (whole and value >= 0)
    if kind == NUMBER:
        return number
    if kind == MAYBE:
        return value is None or number
    if kind == PAIR:
        return (
            isinstance(value, list)
            and len(value) == 2
            and all(_is_of(NUMBER, part) for part in value)
        )
    return isinstance(value, {LIST: list, TEXT: str, FLAG: bool}[kind])
