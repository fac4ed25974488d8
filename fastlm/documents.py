"""Where does a document begin and end, and which documents are held out for validation?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate

from fastlm.errors import CorpusError

__all__ = [
    "DOCUMENT_MODES",
    "check_fraction",
    "first_document_end",
    "last_document",
    "split_documents",
    "split_train_valid",
    "with_line_feeds",
]

DOCUMENT_MODES = ("file", "paragraphs", "lines")

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
    if mode not in DOCUMENT_MODES:
        raise CorpusError(f"documents must be one of {', '.join(DOCUMENT_MODES)}, got {mode!r}")
    if mode == "file":
        return iter((text,) if text else ())
    text = with_line_feeds(text)
    return _lines(text) if mode == "lines" else _paragraphs(text)


def last_document(prompt: str, mode: str) -> str:
    """The part of a prompt that a model sees: no context reaches across the end of a document."""
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


def split_train_valid(
    documents: Sequence[str], fraction: float, mode: str
) -> tuple[list[str], list[str]]:
    """Hold out the last part of a corpus for validation.

    Paragraphs and lines are cut between two of them, where the held-out share of all characters
    comes closest to `fraction`. Files are cut inside the one in which the fraction by characters
    falls, moved forward behind the next line end, or else behind the next white space, or else not
    at all; a move may take at most half of what is held out of that file.

    Parameters
    ----------
    documents : sequence of str
    fraction : float, above 0 and below 1
    mode : {"file", "paragraphs", "lines"}
        How the documents were made. A single paragraph or line is not cut.

    Returns
    -------
    train, valid : lists of str, neither empty

    Raises
    ------
    CorpusError
        For a fraction out of range and for a corpus too short to leave text on both sides.
    """
    if mode not in DOCUMENT_MODES:
        raise CorpusError(f"documents must be one of {', '.join(DOCUMENT_MODES)}, got {mode!r}")
    check_fraction(fraction)
    if not documents:
        raise CorpusError("there is no document to hold out for validation; use more text")
    if mode == "file":
        return _split_files(documents, fraction)
    if len(documents) == 1:
        raise CorpusError(
            f"the corpus is one document (documents={mode}), so none can be held out for "
            "validation; name a validation file, or take the whole file as one document"
        )
    cut = _cut_between(documents, fraction)
    return list(documents[:cut]), list(documents[cut:])


def check_fraction(fraction: float) -> None:
    """Raise a CorpusError unless it is a number above 0 and below 1."""
    if isinstance(fraction, bool) or not isinstance(fraction, (int, float)) or not 0 < fraction < 1:
        raise CorpusError(
            f"the fraction held out for validation must be above 0 and below 1, got {fraction!r}"
        )


def first_document_end(text: str, mode: str) -> int | None:
    """Return where the first line or paragraph ends that is sure to end in a text that may go on,
    with the line ends behind it; None where none does. ``mode`` : "paragraphs" or "lines"."""
    if mode == "lines":
        return text.find("\n") + 1 or None
    leading = _LEADING_BLANK_LINES.match(text)
    end = _COMPLETE_BLANK_LINES.search(text, leading.end() if leading else 0)
    return end.end() if end else None


def _split_files(files: Sequence[str], fraction: float) -> tuple[list[str], list[str]]:
    total = sum(map(len, files))
    held_out = total * fraction
    number = len(files) - 1
    while number > 0 and len(files[number]) <= held_out:
        held_out -= len(files[number])
        number -= 1
    text = files[number]
    cut = _cut_inside(text, round(len(text) - held_out))
    train = [*files[:number], text[:cut]]
    valid = [text[cut:], *files[number + 1 :]]
    if not "".join(train).strip() or not "".join(valid).strip():
        raise CorpusError(
            f"a corpus of {total} characters is too short to hold out {fraction:g} of it for "
            "validation; use more text, another fraction, or a validation file"
        )
    return [part for part in train if part], [part for part in valid if part]


def _cut_between(documents: Sequence[str], fraction: float) -> int:
    """Return the index of the first held-out document, 1 .. len(documents) - 1."""
    before = list(accumulate(len(document) for document in documents))
    kept = (1 - fraction) * before[-1]
    return min(range(1, len(documents)), key=lambda cut: abs(before[cut - 1] - kept))


def _cut_inside(text: str, cut: int) -> int:
    limit = cut + (len(text) - cut) // 2
    # A cut that falls right behind a line end or white space is a good one already.
    before = max(cut - 1, 0)
    line_end = text.find("\n", before, limit)
    if line_end >= 0:
        return line_end + 1
    space = re.compile(r"\s").search(text, before, limit)
    return space.end() if space else cut
