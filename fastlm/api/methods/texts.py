"""Texts as the methods of a model take them: text itself, or files that a path names."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from typing import Any

from fastlm.checks import one_or_several_texts
from fastlm.data.scan import read_texts
from fastlm.errors import FastlmError
from fastlm.text.given import as_strings

__all__ = ["texts_of"]


def texts_of(given: Any, error: type[FastlmError]) -> Iterable[str]:
    """Return the texts that a caller means: a str is text, a path object names a file.

    Parameters
    ----------
    given : str, path, or iterable of either
        Files are read as ``fastlm.train`` reads them: folders, compressed files, JSON lines.
    error : type
        What is raised for what is neither, and for a str that is the name of a file.

    Raises
    ------
    CorpusError
        For files that cannot be read.
    """
    if isinstance(given, PathLike):
        return read_texts(given)
    if isinstance(given, list | tuple) and given and all(isinstance(p, PathLike) for p in given):
        return read_texts(given)
    return one_or_several_texts(as_strings(given), error)
