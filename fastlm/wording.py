"""The names of settings in messages: keywords in Python, options on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["as_options", "setting"]

# Keywords whose option has another name.
_OPTIONS = {"overwrite=True": "--force", "cache=False": "--no-cache"}

# Of the process: the threads that raise errors speak as the thread that called them.
_are_options = False


@contextmanager
def as_options() -> Iterator[None]:
    """Let messages name options, as on the command line, within the context."""
    global _are_options
    before, _are_options = _are_options, True
    try:
        yield
    finally:
        _are_options = before


def setting(name: str, value: Any = None) -> str:
    """Return a setting as its caller writes it: ``lr=0.5`` or ``--lr 0.5``; or only its name.

    name : the keyword in Python
    """
    keyword = name if value is None else f"{name}={value!r}"
    if not _are_options:
        return keyword
    option = _OPTIONS.get(keyword, f"--{name.replace('_', '-')}")
    return option if value is None or isinstance(value, bool) else f"{option} {value}"
