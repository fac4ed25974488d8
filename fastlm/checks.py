"""Checks of arguments; each error names the value, the limit and the remedy."""

from __future__ import annotations

import operator
import os
import sys
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any, TypeGuard, cast

from fastlm.errors import ConfigError, FastlmError
from fastlm.wording import nearest_name

__all__ = [
    "check_choice",
    "check_flag",
    "check_known",
    "check_most",
    "check_number",
    "check_seed",
    "check_texts",
    "check_whole",
    "is_number",
    "is_whole",
    "one_or_several_texts",
    "short_name",
    "shown",
    "whole_number",
]

# Characters of a value that a message shows.
_SHOWN = 60


def is_whole(value: object) -> TypeGuard[int]:
    """Tell whether a value is an int of Python; True and False are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> TypeGuard[int | float]:
    """Tell whether a value is a real number, NumPy's included; True and False are none."""
    return isinstance(value, Real) and not isinstance(value, bool)


def whole_number(value: Any) -> int | None:
    """Return what ``operator.index`` makes of a value, as of NumPy's integers; None for no int.

    True and False are none.
    """
    if isinstance(value, bool):
        return None
    try:
        return operator.index(value)
    except TypeError:
        return None


def shown(value: Any) -> str:
    """Return a value as a message shows it: its repr, or the beginning of a long one."""
    if isinstance(value, (list, tuple)) and len(value) > _SHOWN:
        return f"{type(value).__name__} of {len(value):,}"
    if isinstance(value, dict) and len(value) > _SHOWN:
        return f"an object of {len(value):,} keys"
    try:
        text = repr(value)
    except ValueError:  # Python writes no int of more than 4,300 digits
        return "a number of thousands of digits"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 20]}… ({len(text):,} characters)"


def check_whole(
    name: str,
    value: Any,
    least: int,
    *,
    or_none: bool = False,
    advice: str = "",
    error: type[FastlmError] = ConfigError,
) -> Any:
    """Return a whole number as an int, or None if `or_none` allows that.

    Raises the error unless it is a whole number, NumPy's included, of at least `least`. The message
    ends with `advice`.
    """
    if or_none and value is None:
        return None
    number = whole_number(value)
    if number is None or number < least:
        raise error(f"{name} is {shown(value)}; give a whole number of at least {least}{advice}")
    return number


def check_seed(name: str, value: Any, advice: str = "") -> int:
    """Return a seed as an int; raise ConfigError unless 63 bits hold it."""
    number = whole_number(value)
    if number is None or not 0 <= number < 2**63:
        raise ConfigError(
            f"{name} is {shown(value)}; give a whole number of at least 0 and below 2**63{advice}"
        )
    return number


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
) -> Any:
    """Return a finite number within limits as an int or a float, or None if `or_none` allows that.

    Any real number is taken, NumPy's included. It may be `least` or `most` itself. The message of
    the ConfigError ends with `advice`.
    """
    if or_none and value is None:
        return None
    number: float | None = whole_number(value)
    if number is None and is_number(value):
        number = float(value)
    if (
        number is not None
        and abs(number) <= sys.float_info.max
        and (least is None or least <= number)
        and (above is None or above < number)
        and (most is None or number <= most)
        and (below is None or number < below)
    ):
        return number
    limits = {"of at least": least, "above": above, "at most": most, "below": below}
    words = " and ".join(f"{word} {limit:g}" for word, limit in limits.items() if limit is not None)
    raise ConfigError(f"{name} is {shown(value)}; give a number {words}{advice}")


def check_most(
    name: str, value: float, most: float, *, error: type[FastlmError] = ConfigError
) -> None:
    """Raise the error for a number above ``most``."""
    if value > most:
        kind = "whole number" if is_whole(value) else "number"
        limit = f"{int(most):,}" if most < 1e16 else f"{most:g}"
        raise error(f"{name} is {shown(value)}; give a {kind} of at most {limit}")


def check_flag(name: str, value: Any) -> None:
    """Raise ConfigError unless a value is True or False."""
    if not isinstance(value, bool):
        raise ConfigError(f"{name} is {shown(value)}; give True or False")


def check_choice(
    name: str, value: Any, choices: Iterable[str], error: type[FastlmError] = ConfigError
) -> None:
    """Raise the error unless a value is one of the choices; it names the nearest one."""
    choices = tuple(choices)
    if value not in choices:
        import difflib

        near = difflib.get_close_matches(value, choices, n=1) if isinstance(value, str) else []
        hint = f"did you mean {near[0]}? " if near else ""
        raise error(f"{name} is {shown(value)}; {hint}choose one of {', '.join(choices)}")


def short_name(name: str) -> str:
    """Return a name as a message has it: on one line, a long one without its middle."""
    name = " ".join(name.splitlines()) if "\n" in name or "\r" in name else name
    return name if len(name) <= 80 else f"{name[:38]}…{name[-38:]}"


def check_known(
    names: Iterable[str], known: Iterable[str], *, others: Iterable[str] = (), where: str = ""
) -> None:
    """Raise ConfigError for the first setting that does not exist, with the one that is meant.

    Parameters
    ----------
    names, known : iterable of str
    others : iterable of str
        Settings that exist, too, but never are among the names.
    where : str
        What lists the settings, such as a call of ``help``, if they are too many to name.
    """
    known = sorted(known)
    for name in sorted(set(names).difference(known)):
        meant = nearest_name(name, [*known, *others])
        more = f"did you mean {meant!r}?" if meant else f"there are {', '.join(known)}"
        if not meant and where:
            more = f"see {where}"
        raise ConfigError(f"unknown setting {short_name(name)!r}; {more}")


def one_or_several_texts(texts: Any, error: type[FastlmError]) -> Iterable[str]:
    """Return one text as a list of it, several as they are; raise the error for what is neither.

    One that is the name of a file is an error, too: nobody means the name.
    """
    if isinstance(texts, str):
        if _is_file(texts):
            raise _file_name_error(texts, error)
        return [texts]
    check_texts(texts, error)
    return cast(Iterable[str], texts)


def check_texts(texts: Any, error: type[FastlmError]) -> None:
    """Raise the error unless there may be several texts: an iterable, and not one text.

    Nor is a mapping or a table, which gives the names of its columns, nor a list of file names.
    """
    if isinstance(texts, (str, bytes)):
        raise error(f"expected several texts, got one {type(texts).__name__}; put it in a list")
    if isinstance(texts, os.PathLike):
        raise error(f"expected texts, got the path {shown(os.fspath(texts))}; read its text first")
    if isinstance(texts, Mapping) or hasattr(texts, "columns") or hasattr(texts, "column_names"):
        raise error(
            f"expected texts, got a {type(texts).__name__}, which gives the names of its columns; "
            "pass one column, such as data['text']"
        )
    try:
        iter(texts)
    except TypeError:
        raise error(
            f"expected an iterable of str, got {type(texts).__name__}; pass a list of texts"
        ) from None
    first = texts[0] if isinstance(texts, (list, tuple)) and texts else None
    # In a list of words one may be the name of a file by chance, but not with a suffix.
    if isinstance(first, str) and os.path.splitext(first[-_LONGEST_SUFFIX:])[1] and _is_file(first):
        raise _file_name_error(first, error)


# Characters of the longest name of a file that a text is compared with, and of its suffix.
_LONGEST_NAME = 1024
_LONGEST_SUFFIX = 12


def _is_file(text: str) -> bool:
    return len(text) <= _LONGEST_NAME and "\n" not in text and os.path.isfile(text)


def _file_name_error(name: str, error: type[FastlmError]) -> FastlmError:
    return error(
        f"expected text, got the name of a file, {shown(name)}; for what the file holds give "
        f"Path({shown(name)})"
    )
