"""Checks of arguments; each error names the value, the limit and the remedy."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, TypeGuard

from fastlm.errors import ConfigError, FastlmError

__all__ = [
    "check_choice",
    "check_flag",
    "check_known",
    "check_number",
    "check_seed",
    "check_texts",
    "check_whole",
    "is_number",
    "is_whole",
]


def is_whole(value: object) -> TypeGuard[int]:
    """Tell whether a value is an int; True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> TypeGuard[int | float]:
    """Tell whether a value is an int or a float; True and False are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_whole(
    name: str,
    value: Any,
    least: int,
    *,
    or_none: bool = False,
    advice: str = "",
    error: type[FastlmError] = ConfigError,
) -> None:
    """Raise an error unless a value is a whole number of at least `least`, or None if `or_none`.

    The message ends with `advice`.
    """
    if not (is_whole(value) and value >= least) and not (or_none and value is None):
        raise error(f"{name} is {value!r}; give a whole number of at least {least}{advice}")


def check_seed(name: str, value: Any, advice: str = "") -> None:
    """Raise ConfigError unless a value is a whole number that 63 bits hold."""
    if not is_whole(value) or not 0 <= value < 2**63:
        raise ConfigError(
            f"{name} is {value!r}; give a whole number of at least 0 and below 2**63{advice}"
        )


def check_number(
    name: str,
    value: Any,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
    below: float | None = None,
    or_none: bool = False,
    advice: str = "",
) -> None:
    """Raise ConfigError unless a value is a finite number within limits, or None if `or_none`.

    The value may be `least` or `most` itself. The message ends with `advice`.
    """
    if or_none and value is None:
        return
    if (
        is_number(value)
        and abs(value) <= sys.float_info.max
        and (least is None or least <= value)
        and (above is None or above < value)
        and (most is None or value <= most)
        and (below is None or value < below)
    ):
        return
    limits = {"of at least": least, "above": above, "at most": most, "below": below}
    words = " and ".join(f"{word} {limit:g}" for word, limit in limits.items() if limit is not None)
    raise ConfigError(f"{name} is {value!r}; give a number {words}{advice}")


def check_flag(name: str, value: Any) -> None:
    """Raise ConfigError unless a value is True or False."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name} is {value!r}; give True or False")


def check_choice(name: str, value: Any, choices: Iterable[str]) -> None:
    """Raise ConfigError unless a value is one of the choices."""
    choices = tuple(choices)
    if value not in choices:
        raise ConfigError(f"{name} is {value!r}; choose one of {', '.join(choices)}")


def check_known(names: Iterable[str], known: Iterable[str]) -> None:
    """Raise ConfigError for the first setting that does not exist, with the nearest that does."""
    known = sorted(known)
    for name in sorted(set(names).difference(known)):
        import difflib

        nearest = difflib.get_close_matches(name, known, n=1)
        hint = f" did you mean {nearest[0]!r}?" if nearest else ""
        raise ConfigError(f"unknown setting {name!r};{hint} there are {', '.join(known)}")


def check_texts(texts: Any, error: type[FastlmError]) -> None:
    """Raise the error unless there may be several texts: an iterable, and not one text."""
    if isinstance(texts, (str, bytes)):
        raise error(f"expected several texts, got one {type(texts).__name__}; put it in a list")
    try:
        iter(texts)
    except TypeError:
        raise error(
            f"expected an iterable of str, got {type(texts).__name__}; pass a list of texts"
        ) from None
