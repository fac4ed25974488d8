"""JSON values: checked against a schema when read, NaN and infinities written as null."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from fastlm.errors import ModelFileError, TokenizerError

__all__ = [
    "FLAG",
    "LIST",
    "MAYBE",
    "NUMBER",
    "PAIR",
    "PLACE",
    "TEXT",
    "WHOLE",
    "checked",
    "checked_form",
    "finite_or_none",
    "finite_values",
]

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


def finite_or_none(number: float) -> float | None:
    """None for NaN and what is infinite."""
    return number if math.isfinite(number) else None


def finite_values(form: Mapping[str, Any]) -> dict[str, Any]:
    """The same with None for every value that is a float, but not finite."""
    return {
        key: finite_or_none(value) if isinstance(value, float) else value
        for key, value in form.items()
    }


def checked_form(
    form: Mapping[str, Any], kind: str, types: Mapping[str, type | tuple[type, ...]]
) -> dict[str, Any]:
    """Return the values of `form` after checking its kind, its keys and their types.

    Raises
    ------
    TokenizerError
        For another kind, a key that is missing, a key that is not known (a newer version may
        have written it), or a value of another type.
    """
    if not isinstance(form, Mapping):
        raise TokenizerError(f"a tokenizer's JSON form is an object, got {type(form).__name__}")
    if form.get("kind") != kind:
        raise TokenizerError(f"expected a tokenizer of kind {kind!r}, got {form.get('kind')!r}")
    values = {key: value for key, value in form.items() if key != "kind"}
    unknown = sorted(str(key) for key in values.keys() - types.keys())
    if unknown:
        raise TokenizerError(
            f"the {kind} tokenizer has no setting {unknown[0]!r}; a newer version of fastlm may "
            "have written it"
        )
    for key, expected in types.items():
        if key not in values:
            raise TokenizerError(f"the {kind} tokenizer's JSON form lacks {key!r}")
        if not isinstance(values[key], expected):
            raise TokenizerError(
                f"the {kind} tokenizer's {key!r} has the wrong type, {type(values[key]).__name__}"
            )
    return values
