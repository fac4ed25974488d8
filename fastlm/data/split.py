"""The train/validation split of a corpus."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from fastlm.data.scan import CorpusScan, Mark, Size
from fastlm.errors import CorpusError
from fastlm.text.decoding import count_characters
from fastlm.text.documents import first_document_end
from fastlm.text.sources import Input, TextPart
from fastlm.tokenizers.safe_cut import safe_cut
from fastlm.types import DOCUMENT_MODES

__all__ = [
    "TOO_LITTLE",
    "VALID_FRACTION",
    "check_fraction",
    "held_out_from",
    "in_two",
    "split_train_valid",
    "validation_cut",
]


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


_SPACE = re.compile(r"\s")


def held_out_from(found: CorpusScan, fraction: float, mode: str) -> int:
    """Return where the validation part begins, in bytes of all texts put together.

    As `split_train_valid` cuts documents in memory, with one difference: lines and paragraphs are
    cut where the document ends that is closest in bytes to the share by characters.

    Raises
    ------
    CorpusError
        For a fraction out of range, and for a corpus too short to leave text on both sides.
    """
    check_fraction(fraction)
    total = found.characters
    held_out = total * fraction
    before = number = 0
    behind = total - found.sizes[0].characters
    while behind > held_out:
        before += found.sizes[number].bytes
        number += 1
        behind -= found.sizes[number].characters
    source = _Placed(found.inputs[number], found.sizes[number], found.marks[number])
    if mode == "file":
        cuts = [_inside_text(source, held_out - behind)]
    else:
        kept = round(source.size.characters - (held_out - behind))
        cuts = _between_documents(source, min(max(kept, 0), source.size.characters), mode)
    for cut in cuts:
        train, valid = source.has_text(before=cut), source.has_text(behind=cut)
        if (train or number > 0) and (valid or number < len(found.inputs) - 1):
            return before + cut
    raise CorpusError(
        f"a corpus of {total:,} characters is too short to hold out {fraction:g} of it "
        f"for validation (documents={mode}); use more text, another fraction, or a validation file"
    )


def in_two(pieces: Iterable[TextPart], cut: int | None) -> Iterator[tuple[int, TextPart]]:
    """Yield (0, piece) for what lies before a cut, in bytes of all texts, and (1, piece) for the
    rest. A text that the cut goes through becomes two. None: no cut."""
    part = done = 0
    whole = True  # whether no text is begun
    for piece in pieces:
        end = done + len(piece.data)
        if cut is not None and part == 0 and end > cut:
            part = 1
            head = piece.data[: cut - done]
            if head or not whole:
                yield 0, TextPart(head, True)
            piece = TextPart(piece.data[cut - done :], piece.ends_text)
        yield part, piece
        whole = piece.ends_text
        done = end


class _Placed(NamedTuple):
    """An input with what its survey found, so that all of it need not be read again."""

    source: Input
    size: Size
    marks: list[Mark]

    def blocks(self, characters: int) -> Iterator[tuple[bytes, int, int]]:
        """(data, characters before it, bytes before it), from so many characters on or sooner."""
        at = bisect_right(self.marks, characters, key=lambda mark: mark.characters) - 1
        before, octets = self.marks[at]
        for data in self.source.read_from(octets, self.size.bytes):
            yield data, before, octets
            before += count_characters(data)
            octets += len(data)

    def has_text(self, *, before: int | None = None, behind: int = 0) -> bool:
        """Whether there is more than white space before a place in bytes, or behind one."""
        at = bisect_right(self.marks, behind, key=lambda mark: mark.bytes) - 1
        octets = self.marks[at].bytes
        for data in self.source.read_from(octets, self.size.bytes):
            part = data[max(behind - octets, 0) : None if before is None else before - octets]
            if part.decode("utf-8").strip():
                return True
            octets += len(data)
            if before is not None and octets >= before:
                break
        return False


def _inside_text(source: _Placed, held_out: float) -> int:
    """Where to cut an input to hold out so many characters of it: behind a line end, else behind
    white space, else exactly there, as `split_train_valid` does."""
    characters = source.size.characters
    begin, end = _text_around(source, held_out)
    # The same sums as there: they round alike.
    kept = max(begin + round(end - begin - (held_out - (characters - end))), begin)
    low = max(kept - 1, begin)
    high = kept + (end - kept) // 2
    space = exact = None
    for data, before, octets in source.blocks(low):
        if before + count_characters(data) < low:
            continue
        if exact is not None and before >= high:
            break
        part = data.decode("utf-8")
        start, stop = max(low - before, 0), max(high - before, 0)
        if exact is None and kept <= before + len(part):
            exact = octets + _size(part, kept - before)
        line_end = part.find("\n", start, stop)
        if line_end >= 0:
            return octets + _size(part, line_end + 1)
        if space is None and (found := _SPACE.search(part, start, stop)):
            space = octets + _size(part, found.end())
    assert exact is not None
    return exact if space is None else space


def _text_around(source: _Placed, held_out: float) -> tuple[int, int]:
    """(first character, end) of the text that the cut goes through."""
    characters = source.size.characters
    if source.size.texts == 1:
        return 0, characters
    begin = end = 0
    for piece in source.source.parts(trusted=True):
        end += count_characters(piece.data)
        if piece.ends_text:
            if characters - end <= held_out:
                break
            begin = end
    return begin, end


def _between_documents(source: _Placed, kept: int, mode: str) -> list[int]:
    """The ends of documents before and behind the first ``kept`` characters, the closer first."""
    target = next(
        octets + _size(data.decode("utf-8"), kept - characters)
        for data, characters, octets in source.blocks(max(kept - 1, 0))
        if kept <= characters + count_characters(data)
    )
    before, rest, behind = 0, b"", 0
    for piece in source.source.parts(trusted=True):
        rest += piece.data
        behind = before + len(rest)
        if behind <= target:
            cut = safe_cut("byte", mode, rest, piece.ends_text)
        else:
            cut = safe_cut("byte", mode, rest[: max(target - before, 0)], False)
        before, rest = before + cut, rest[cut:]
        if behind > target:
            end = first_document_end(rest.decode("utf-8"), mode)
            if end is not None:
                behind = before + _size(rest.decode("utf-8"), end)
                break
            if piece.ends_text:
                break
    return sorted((before, behind), key=lambda cut: abs(cut - target))


def _size(text: str, characters: int) -> int:
    return len(text[:characters].encode("utf-8"))


VALID_FRACTION = 0.05


TOO_LITTLE = 10_000
"""Characters below which nothing is held out unless it is asked for."""


def _fraction(found: CorpusScan, valid: float | None) -> float:
    if valid is not None:
        return valid
    return VALID_FRACTION if found.characters >= TOO_LITTLE else 0.0


def validation_cut(found: CorpusScan, valid: float | None, documents: str) -> int | None:
    fraction = _fraction(found, valid)
    if fraction == 0:
        return None
    try:
        return held_out_from(found, fraction, documents)
    except CorpusError:
        if valid is not None:
            raise
        return None
