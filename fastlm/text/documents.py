"""Documents: where they begin and end in a text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fastlm.errors import CorpusError
from fastlm.types import DOCUMENT_MODES

__all__ = [
    "check_documents",
    "first_document_end",
    "last_document",
    "split_documents",
    "with_line_feeds",
]

_BLANK_LINES = re.compile(r"\n(?:[^\S\n]*(?:\n|\Z))+")
# Without the one that is blank because the text ends.
_COMPLETE_BLANK_LINES = re.compile(r"\n(?:[^\S\n]*\n)+")
_LEADING_BLANK_LINES = re.compile(r"(?:[^\S\n]*\n)*")


def split_documents(text: str, mode: str) -> Iterator[str]:
    r"""Yield the documents of one text.

    Parameters
    ----------
    text : str
    mode : {"file", "paragraphs", "lines"}
        "file": the text as it is, one document.
        "paragraphs": what stands between blank lines (lines of nothing but white space), without
        the line ends around it; line ends inside stay.
        "lines": each line without its line end.

    In the last two, \r\n and \r read as \n, and what is only white space is no document. An
    empty text holds none in any mode.

    Raises
    ------
    CorpusError
        For another mode.
    """
    check_documents(mode)
    if mode == "file":
        return iter((text,) if text else ())
    text = with_line_feeds(text)
    return _lines(text) if mode == "lines" else _paragraphs(text)


def last_document(prompt: str, mode: str) -> str:
    """Return the part of a prompt that a model sees: a context never leaves its document."""
    if mode == "file":
        return prompt
    return re.split(r"\n" if mode == "lines" else r"\n[^\S\n]*\n", with_line_feeds(prompt))[-1]


def with_line_feeds(text: str) -> str:
    r"""Return the text with \n for \r\n and \r, as every corpus is read."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _lines(text: str) -> Iterator[str]:
    for line in _between(text, re.compile(r"\n"), start=0):
        if line and not line.isspace():
            yield line


def _paragraphs(text: str) -> Iterator[str]:
    leading = _LEADING_BLANK_LINES.match(text)
    for paragraph in _between(text, _BLANK_LINES, start=leading.end() if leading else 0):
        if paragraph and not paragraph.isspace():
            yield paragraph


def _between(text: str, separator: re.Pattern[str], start: int) -> Iterator[str]:
    for found in separator.finditer(text, start):
        yield text[start : found.start()]
        start = found.end()
    yield text[start:]


def first_document_end(text: str, mode: str) -> int | None:
    """Return where the first document ends in a text that may go on.

    Parameters
    ----------
    text : str
    mode : {"paragraphs", "lines"}

    Returns
    -------
    int or None
        The position after the line ends that follow it; None where no document is sure to end.
    """
    if mode == "lines":
        return text.find("\n") + 1 or None
    leading = _LEADING_BLANK_LINES.match(text)
    end = _COMPLETE_BLANK_LINES.search(text, leading.end() if leading else 0)
    return end.end() if end else None


def check_documents(documents: str) -> None:
    """Raise CorpusError unless `documents` is one of `DOCUMENT_MODES`."""
    if documents not in DOCUMENT_MODES:
        raise CorpusError(
            f"documents must be one of {', '.join(DOCUMENT_MODES)}, got {documents!r}"
        )
