"""The train/validation split of a text: the byte where it is cut, and the two parts of it.

Once the parts are encoded, the validation ids begin after ``metadata["train"]["tokens"]`` ids:
``fastlm.data.token_store`` and ``fastlm.data.dataset`` slice them there.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator

from fastlm.checks import is_number, shown
from fastlm.data.scan import CorpusScan, ScannedInput, SeekPoint
from fastlm.errors import CorpusError
from fastlm.text.decoding import count_characters
from fastlm.text.documents import DocumentEndSearch, is_one_document, split_documents
from fastlm.text.sources import TextPart
from fastlm.tokenizers.safe_cut import safe_cut
from fastlm.wording import setting

__all__ = [
    "MIN_CHARACTERS",
    "TRAIN",
    "VALID",
    "VALID_FRACTION",
    "check_fraction",
    "find_cut",
    "split_parts",
]

VALID_FRACTION = 0.05  # held out where the caller does not say
# From less than this, nothing is held out unless it is asked for.
MIN_CHARACTERS = 10_000
MIN_DOCUMENTS = round(2 / VALID_FRACTION)  # of lines and paragraphs

TRAIN, VALID = 0, 1

_SPACE = re.compile(r"\s")


def check_fraction(fraction: float | None) -> float | None:
    """Return a fraction as Python's; raise a CorpusError unless it is None or from 0 to below 1."""
    if fraction is None or fraction == 0:
        return None if fraction is None else 0
    if not is_number(fraction) or not 0 < fraction < 1:
        raise CorpusError(
            f"the fraction held out for validation must be above 0 and below 1, got "
            f"{shown(fraction)}"
        )
    return float(fraction)


def find_cut(scan: CorpusScan, fraction: float | None, documents: str) -> int | None:
    """Return where the validation part begins, in bytes of all texts put together.

    Lines and paragraphs are cut where the document ends that is closest, in bytes, to the share by
    characters. Files are cut inside the text in which the share by characters falls: after the next
    line end, else after the next white space, else exactly there; looked for in half of what is
    held out of that text.

    Parameters
    ----------
    scan : CorpusScan
    fraction : float, optional
        What to hold out; 0: nothing. None: 5 %, or nothing from less than 10,000 characters or
        fewer than 40 lines or paragraphs.
    documents : {"file", "paragraphs", "lines", "stream"}

    Returns
    -------
    int or None
        Strictly inside the texts, with more than white space on both sides; None: nothing is held
        out.

    Raises
    ------
    CorpusError
        For a fraction out of range, and one that cannot be held out.
    """
    check_fraction(fraction)
    if fraction == 0 or (fraction is None and _is_too_little(scan, documents)):
        return None
    share = VALID_FRACTION if fraction is None else fraction
    held_out = scan.characters * share
    number = before = 0
    after = scan.characters - scan.inputs[0].characters
    while after > held_out:
        before += scan.inputs[number].bytes
        number += 1
        after -= scan.inputs[number].characters
    one = scan.inputs[number]
    if is_one_document(documents):
        cuts = [_cut_inside_text(one, held_out - after)]
    else:
        kept = round(one.characters - (held_out - after))
        cuts = _document_ends_around(one, min(max(kept, 0), one.characters), documents)
    for cut in cuts:
        if (number > 0 or _has_text(one, 0, cut)) and (
            number < len(scan.inputs) - 1 or _has_text(one, cut, one.bytes)
        ):
            return before + cut
    if fraction is None:
        return None
    raise CorpusError(
        f"a corpus of {scan.characters:,} characters is too short to hold out {fraction:g} of it "
        f"for validation ({setting('documents', documents)}); use more text, another fraction, or "
        "a validation file"
    )


def split_parts(parts: Iterable[TextPart], cut: int | None) -> Iterator[tuple[int, TextPart]]:
    """Yield (TRAIN, part) before a cut, in bytes of all texts put together, and (VALID, part) after
    it. A text that is cut becomes two. None: no cut."""
    split, done = TRAIN, 0
    text_begun = False
    for part in parts:
        end = done + len(part.data)
        if cut is not None and split == TRAIN and end > cut:
            split = VALID
            head = part.data[: cut - done]
            if head or text_begun:
                yield TRAIN, TextPart(head, True)
            part = TextPart(part.data[cut - done :], part.ends_text)
        yield split, part
        text_begun = not part.ends_text
        done = end


def _is_too_little(scan: CorpusScan, documents: str) -> bool:
    """Whether 5 % of a corpus is too little to measure on."""
    if scan.characters < MIN_CHARACTERS:
        return True
    missing = 0 if is_one_document(documents) else MIN_DOCUMENTS
    rest = _Rest(documents)
    for part in scan.parts():
        if missing <= 0:
            break
        whole = rest.add(part.data, part.ends_text)
        missing -= sum(1 for _ in split_documents(whole.decode("utf-8"), documents))
    return missing > 0


class _Rest:
    """The end of a text that has come so far: what follows its last document that is complete.

    A long document is not looked through again with every part: only when it has doubled.
    """

    def __init__(self, documents: str) -> None:
        self._documents = documents
        self._held: list[bytes] = []
        self._size = self._wanted = 0

    def add(self, data: bytes, ends_text: bool) -> bytes:
        """Append to it; return the complete documents, which are no part of it any more."""
        self._held.append(data)
        self._size += len(data)
        if self._size < self._wanted and not ends_text:
            return b""
        rest = self.take()
        cut = safe_cut("byte", self._documents, rest, ends_text)
        self._held, self._size = [rest[cut:]], len(rest) - cut
        self._wanted = 2 * self._size
        return rest[:cut]

    def take(self) -> bytes:
        """Return all of it, and begin anew."""
        rest = b"".join(self._held)
        self._held, self._size, self._wanted = [], 0, 0
        return rest


def _blocks_from(one: ScannedInput, characters: int) -> Iterator[tuple[bytes, SeekPoint]]:
    """Yield (data, where it begins), from ``characters`` on or a little before."""
    points = one.seek_points
    place = points[bisect_right(points, characters, key=lambda point: point.characters) - 1]
    for data in one.read_from(place.bytes):
        yield data, place
        place = SeekPoint(place.characters + count_characters(data), place.bytes + len(data))


def _has_text(one: ScannedInput, start: int, stop: int) -> bool:
    """Whether there is more than white space between two places in bytes."""
    for data in one.read_from(start):
        if data[: stop - start].decode("utf-8").strip():
            return True
        start += len(data)
        if start >= stop:
            break
    return False


def _cut_inside_text(one: ScannedInput, held_out: float) -> int:
    """Return where to cut an input of whole files, to hold out that many characters of it."""
    begin, end = _text_around(one, held_out)
    # Rounded within the text, so that texts before it do not move the cut.
    kept = max(begin + round(end - begin - (held_out - (one.characters - end))), begin)
    # A cut right after a line end or white space is a good one already.
    low, high = max(kept - 1, begin), kept + (end - kept) // 2
    space = exact = None
    for data, place in _blocks_from(one, low):
        text = data.decode("utf-8")
        if place.characters + len(text) < low:
            continue
        if exact is not None and place.characters >= high:
            break
        start, stop = max(low - place.characters, 0), max(high - place.characters, 0)
        if exact is None and kept <= place.characters + len(text):
            exact = place.bytes + _size(text, kept - place.characters)
        line_end = text.find("\n", start, stop)
        if line_end >= 0:
            return place.bytes + _size(text, line_end + 1)
        if space is None and (found := _SPACE.search(text, start, stop)):
            space = place.bytes + _size(text, found.end())
    assert exact is not None
    return exact if space is None else space


def _text_around(one: ScannedInput, held_out: float) -> tuple[int, int]:
    """Return (first character, end) of the text that the cut goes through."""
    if one.texts == 1:
        return 0, one.characters
    begin = end = 0
    for part in one.parts():
        end += count_characters(part.data)
        if part.ends_text:
            if one.characters - end <= held_out:
                break
            begin = end
    return begin, end


def _document_ends_around(one: ScannedInput, kept: int, documents: str) -> list[int]:
    """Return the document ends before and after the first ``kept`` characters, the closer first."""
    target = next(
        place.bytes + _size(data.decode("utf-8"), kept - place.characters)
        for data, place in _blocks_from(one, max(kept - 1, 0))
        if kept <= place.characters + count_characters(data)
    )
    before = after = 0
    rest = _Rest(documents)
    search: DocumentEndSearch | None = None
    for part in one.parts():
        data = part.data
        if search is None and after + len(data) <= target:
            before += len(rest.add(data, part.ends_text))
            after += len(data)
            continue
        if search is None:
            head = data[: target - after]
            whole = rest.take() + head
            cut = safe_cut("byte", documents, whole, False)
            before += cut
            search = DocumentEndSearch(documents)
            data, after = whole[cut:] + data[len(head) :], before
        end = search.feed(data)
        if end is not None:
            after = before + end
            break
        after += len(data)
        if part.ends_text:
            break
    return sorted((before, after), key=lambda cut: abs(cut - target))


def _size(text: str, characters: int) -> int:
    return len(text[:characters].encode("utf-8"))
