"""Documents: where they begin and end in a text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fastlm.checks import check_choice
from fastlm.errors import CorpusError
from fastlm.types import DOCUMENT_MODES

__all__ = [
    "DOCUMENT_ENDS",
    "DocumentEndSearch",
    "check_documents",
    "document_spans",
    "is_one_document",
    "last_document",
    "split_documents",
    "with_line_feeds",
]

DOCUMENT_ENDS = {"lines": re.compile(r"\n"), "paragraphs": re.compile(r"\n[^\S\n]*\n")}
"""What no document holds, being its end."""

_BLANK_LINES = re.compile(r"\n(?:[^\S\n]*(?:\n|\Z))+")
# Without the one that is blank because the text ends.
_COMPLETE_BLANK_LINES = re.compile(r"\n(?:[^\S\n]*\n)+")
_LEADING_BLANK_LINES = re.compile(r"(?:[^\S\n]*\n)*")


def split_documents(text: str, mode: str) -> Iterator[str]:
    r"""Yield the documents of one text.

    Parameters
    ----------
    text : str
    mode : {"file", "paragraphs", "lines", "stream"}
        "file": the text as it is, one document.
        "stream": the same, with a line end after the last line, as after all others.
        "paragraphs": what stands between blank lines (lines of nothing but white space), without
        the line ends around it; line ends inside stay.
        "lines": each line without its line end.

    In paragraphs and lines, \r\n and \r read as \n, and what is only white space is no document.
    An empty text holds none in any mode.

    Raises
    ------
    CorpusError
        For another mode.
    """
    check_documents(mode)
    if mode != "file":
        text = with_line_feeds(text)
    if mode == "stream":
        return iter((text.removesuffix("\n") + "\n",) if text else ())
    return (text[start:stop] for start, stop in document_spans(text, mode))


def document_spans(text: str, mode: str) -> Iterator[tuple[int, int]]:
    r"""Yield where each document of one text begins and ends; line ends are \n.

    See `split_documents`. What a stream has beside its text, the last line end, is not counted.
    """
    if is_one_document(mode):
        return iter(((0, len(text)),) if text else ())
    return _lines(text) if mode == "lines" else _paragraphs(text)


def last_document(prompt: str, mode: str) -> str:
    r"""Return the part of a prompt that a model sees: a context never leaves its document.

    \r\n and \r read as \n, as in every corpus.
    """
    prompt = with_line_feeds(prompt)
    if is_one_document(mode):
        return prompt
    return DOCUMENT_ENDS[mode].split(prompt)[-1]


def is_one_document(mode: str) -> bool:
    """Tell whether a text is one document, whatever line ends it has."""
    return mode in ("file", "stream")


def with_line_feeds(text: str) -> str:
    r"""Return the text with \n for \r\n and \r, as every corpus is read."""
    return text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text


def _lines(text: str) -> Iterator[tuple[int, int]]:
    return _between(text, re.compile(r"\n"), start=0)


def _paragraphs(text: str) -> Iterator[tuple[int, int]]:
    leading = _LEADING_BLANK_LINES.match(text)
    return _between(text, _BLANK_LINES, start=leading.end() if leading else 0)


def _between(text: str, separator: re.Pattern[str], start: int) -> Iterator[tuple[int, int]]:
    """Yield the spans between separators that hold more than white space."""
    for found in separator.finditer(text, start):
        if start < found.start() and not text[start : found.start()].isspace():
            yield start, found.start()
        start = found.end()
    if start < len(text) and not text[start:].isspace():
        yield start, len(text)


class DocumentEndSearch:
    """The search for the end of the first document of a text that comes in blocks.

    Each block is looked through once.

    Parameters
    ----------
    mode : {"paragraphs", "lines"}
    """

    def __init__(self, mode: str) -> None:
        self._lines = mode == "lines"
        self._size = 0  # bytes of the blocks before
        self._begun = False  # there was more than blank lines
        self._blank = False  # a line has ended, and the next one is blank so far

    def feed(self, block: bytes) -> int | None:
        r"""Take the next block, UTF-8 of whole characters.

        Returns
        -------
        int or None
            The bytes up to the end of the line ends that follow the document; None where it does
            not end in the blocks so far.
        """
        before, self._size = self._size, self._size + len(block)
        if self._lines:
            end = block.find(b"\n") + 1
            return before + end if end else None
        text = "\n" * self._blank + block.decode("utf-8")
        start = 0
        if not self._begun:
            leading = _LEADING_BLANK_LINES.match(text)
            start = leading.end() if leading else 0
            self._begun = bool(text[start:].strip())
        found = _COMPLETE_BLANK_LINES.search(text, start)
        if found is not None:
            return before + len(text[: found.end()].encode("utf-8")) - self._blank
        last = text.rfind("\n", start)
        self._blank = self._begun and last >= 0 and text[last:].isspace()
        return None


def check_documents(documents: str) -> None:
    """Raise CorpusError unless `documents` is one of `DOCUMENT_MODES`."""
    check_choice("documents", documents, DOCUMENT_MODES, CorpusError)
