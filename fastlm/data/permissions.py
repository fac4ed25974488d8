"""Permissions of the files made from text: those who cannot read the text cannot read them."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterable

from fastlm.text.sources import Input, PathInput, StdinInput
from fastlm.types import FilePath

__all__ = ["store_mode"]

_ANYBODY = 0o666
_OWNER = 0o600


def store_mode(inputs: Iterable[Input], path: FilePath) -> int:
    """Return the permission bits that a store of these inputs may have at most.

    Parameters
    ----------
    inputs : iterable of Input
    path : path
        Of the store.
    """
    if os.name == "nt":
        return _ANYBODY
    mode = _ANYBODY
    group = _group_of_new_files(os.path.dirname(os.path.realpath(os.fspath(path))))
    for source in inputs:
        status = _status(source)
        if status is None:
            continue
        bits = stat.S_IMODE(status.st_mode)
        if status.st_gid != group:
            # Our group is not the one that may read the text.
            bits = bits & ~0o070 | (bits & 0o007) << 3
        mode &= bits | _OWNER
    return mode


def _status(source: Input) -> os.stat_result | None:
    """Return the status of the file that an input reads; None for what is not in one."""
    try:
        if isinstance(source, PathInput):
            return os.stat(source.path)
        if isinstance(source, StdinInput):
            status = os.fstat(sys.stdin.fileno())
            return status if stat.S_ISREG(status.st_mode) else None
    except (OSError, ValueError, AttributeError):  # no standard input, or none with a number
        pass
    return None


def _group_of_new_files(folder: str) -> int:
    try:
        status = os.stat(folder)
    except OSError:
        return os.getegid()
    return status.st_gid if status.st_mode & stat.S_ISGID else os.getegid()
