"""JSON values: objects checked when read, NaN and infinities written as null."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

from fastlm.checks import is_number, is_whole, shown

__all__ = [
    "ANY",
    "FLAG",
    "LIST",
    "NUMBER",
    "NUMBER_OR_NULL",
    "OBJECT",
    "PAIR",
    "TEXT",
    "WHOLE",
    "Kind",
    "finite_or_none",
    "finite_values",
    "one_of",
    "or_null",
    "parse_json",
    "read_object",
]


class Kind(NamedTuple):
    """What a value may be: in words, as a test, and how it is read (None: as it is)."""

    words: str
    holds: Callable[[Any], bool]
    read: Callable[[Any], Any] | None = None


def one_of(*choices: str) -> Kind:
    """Return the kind of a value that is one of these."""
    return Kind(" or ".join(choices), lambda value: value in choices)


def or_null(kind: Kind, absent: Any = None) -> Kind:
    """Return the kind of a value that may be null as well, which is read as `absent`."""
    return Kind(
        f"{kind.words} or null",
        lambda value: value is None or kind.holds(value),
        lambda value: absent if value is None else value,
    )


def _is_finite(value: Any) -> bool:
    # math.isfinite raises for an int that no float can hold.
    return is_number(value) and (abs(value) < 2**63 if is_whole(value) else math.isfinite(value))


ANY = Kind("a value", lambda value: True)
# The sum of two is an int64 still.
WHOLE = Kind("a whole number", lambda value: is_whole(value) and 0 <= value < 2**62)
NUMBER = Kind("a number", _is_finite)
NUMBER_OR_NULL = or_null(NUMBER, math.nan)
TEXT = Kind("text", lambda value: isinstance(value, str))
FLAG = Kind("true or false", lambda value: isinstance(value, bool))
LIST = Kind("a list", lambda value: isinstance(value, list))
OBJECT = Kind("an object", lambda value: isinstance(value, dict))
PAIR = Kind(
    "two numbers",
    lambda value: isinstance(value, list) and len(value) == 2 and all(map(_is_finite, value)),
    tuple,
)


def read_object(
    form: Any,
    what: str,
    kinds: Mapping[str, Kind],
    error: Callable[[str], Exception],
    *,
    optional: Collection[str] = (),
    others: bool = False,
) -> dict[str, Any]:
    """Return the values of a JSON object after checking its keys and their values.

    Parameters
    ----------
    form : Any
        What `json` made of it.
    what : str
        How messages call it, such as "its model configuration".
    kinds : mapping of str to Kind
        The keys that there are, and the values they may have.
    error : callable
        Makes the exception from a message: its class, for example.
    optional : collection of str
        Keys that may be missing, here and in the result.
    others : bool
        Whether other keys are let through; without it they are an error.

    Raises
    ------
    Exception
        What `error` makes, for what is no object, a key that is missing or not known, and a value
        of another kind.
    """
    if not isinstance(form, Mapping):
        raise error(f"{what} is not a JSON object")
    unknown = sorted(str(key) for key in form.keys() - kinds.keys())
    if unknown and not others:
        raise error(f"{what} has a key {unknown[0]!r} that this version of fastlm does not know")
    values = dict(form)
    for key, kind in kinds.items():
        if key not in form:
            if key not in optional:
                raise error(f"{what} lacks {key!r}")
            continue
        if not kind.holds(form[key]):
            raise error(f"{what} has {key} {shown(form[key])}, not {kind.words}")
        if kind.read is not None:
            values[key] = kind.read(form[key])
    return values


# A list or object takes up to 200 bytes of memory, and two characters of a text. What fastlm and
# the tokenizers library write has at most one in twelve characters, but for short texts.
_FREE_CONTAINERS = 1 << 16
_CHARACTERS_PER_CONTAINER = 12

# Possessive: what could be taken back would be kept, 25 times the size of a text of escapes.
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text that may be anything, in memory of 20 times its size.

    Raises
    ------
    ValueError
        For what is not JSON, is nested too deep, has a number of more than 4,300 digits, or far
        more lists and objects than text.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8")
    most = _FREE_CONTAINERS + len(text) // _CHARACTERS_PER_CONTAINER
    if text.count("[") + text.count("{") > most:
        bare = _STRING.sub("", text)
        if bare.count("[") + bare.count("{") > most:
            raise ValueError("it has more lists and objects than text")
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("its lists and objects are nested too deep") from None


def finite_or_none(number: float) -> float | None:
    """Return None for NaN and what is infinite, else the number."""
    return number if math.isfinite(number) else None


def finite_values(form: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy with None for every value that is a float, but not finite."""
    return {
        key: finite_or_none(value) if isinstance(value, float) else value
        for key, value in form.items()
    }
