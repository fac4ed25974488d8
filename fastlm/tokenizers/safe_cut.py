"""The places where a text, as str or as blocks of bytes, may be cut without changing its tokens."""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from collections.abc import Callable, Iterator
from functools import cache
from typing import TypeAlias

from fastlm.text.decoding import whole_characters
from fastlm.text.documents import check_documents
from fastlm.tokenizers.base import Tokenizer
from fastlm.tokenizers.words.word_pattern import JOINERS, is_mark, is_unspaced

__all__ = ["cut_text", "safe_cut", "safe_cut_text"]

MayCut: TypeAlias = Callable[[str, str], bool]
"""Whether a text may be cut between these two characters; the second is "" where it is unknown."""

LOOK_BACK = 4096
"""Bytes searched character by character from the end of a block. Before them only white space is
looked for, so that a block without any place to cut takes no longer."""

CAPITAL_SIGMA = "\u03a3"

# Patterns whose matches begin where a text may be cut.
_ANYWHERE = re.compile("")
_BEFORE_SPACE = re.compile(r"\s")
# For `bpe`, where its rules allow it (``BpeTokenizer.may_cut_before_space``); else at the end only.
_BEFORE_SPACES = re.compile(r"(?<=\S)[ \n\t]")
_AT_THE_END = re.compile(r"\Z")


def safe_cut(source: Tokenizer | str, documents: str, block: bytes, final: bool) -> int:
    r"""Return how much of a block may be tokenized by itself, in bytes.

    Parameters
    ----------
    source : Tokenizer, or the kind of one that is still to be built
        For a kind, the cut is right for all settings (lower case, pattern) of this kind.
    documents : {"file", "lines", "paragraphs", "stream"}
    block : bytes
        UTF-8, possibly ending inside a character; line ends are \n. It begins where the text
        begins or where this function cut.
    final : bool
        Whether the text ends with this block: then all of it is taken.

    Returns
    -------
    int
        Encoding ``block[:cut]`` and the rest of the text separately gives the same ids as encoding
        all at once. 0 where the block has no such place: give a longer one. Lines and paragraphs
        are cut only at the end of a document; a text of `bpe` from a file whose rules are not
        known only at its end.

    Raises
    ------
    CorpusError
        For an unknown kind of documents.
    """
    check_documents(documents)
    if final:
        return len(block)
    if documents == "lines":
        return block.rfind(b"\n") + 1
    if documents == "paragraphs":
        return _after_blank_line(block)
    end = whole_characters(block)
    kind = source if isinstance(source, str) else source.kind
    if kind == "bpe":
        return _last_place(block, end, _places(source))
    may_cut = _may_cut(source)
    if may_cut is None:
        return end
    return _last_cut(block, end, may_cut) or _after_space(block)


def cut_text(source: Tokenizer | str, text: str, size: int) -> Iterator[str]:
    """Yield the parts of a text, each of about ``size`` characters, cut by `safe_cut_text`."""
    start = 0
    while start < len(text):
        stop = safe_cut_text(source, text, start + size)
        yield text[start:stop]
        start = stop


def safe_cut_text(source: Tokenizer | str, text: str, start: int) -> int:
    """Return the first place from ``start`` on where a text is cut without changing its tokens.

    Parameters
    ----------
    source : Tokenizer, or the kind of one that is still to be built
        For a kind, the cut is right for all settings (lower case, pattern) of this kind.
    text : str
    start : int
        At least 1.

    Returns
    -------
    int
        The number of characters before the cut: encoding both parts separately gives the same ids
        as encoding the text. ``len(text)`` where there is no such place.
    """
    found = _places(source).search(text, start)
    return found.start() if found else len(text)


def _places(source: Tokenizer | str) -> re.Pattern[str]:
    """Return the pattern that finds where a text may be cut."""
    kind = source if isinstance(source, str) else source.kind
    if kind == "bpe":
        return _BEFORE_SPACES if getattr(source, "may_cut_before_space", True) else _AT_THE_END
    lowercase = isinstance(source, str) or source.lowercase
    if kind == "byte" or (kind == "char" and not lowercase):
        return _ANYWHERE
    return _BEFORE_SPACE


def _after_blank_line(block: bytes) -> int:
    """Return where the last blank line ends."""
    found = _before_blank_line().finditer(block, max(block.rfind(b"\n\n"), 0))
    for last in deque(found, maxlen=1):
        return block.index(b"\n", last.end()) + 1
    first_line = block[: block.find(b"\n") + 1]
    return 0 if first_line.decode("utf-8").strip() else len(first_line)


@cache
def _before_blank_line() -> re.Pattern[bytes]:
    # All white space lies in this range. Beginning with a fixed byte is 20 times as fast.
    spaces = (c for c in map(chr, range(0x3001)) if c.isspace() and c != "\n")
    return re.compile(b"\n(?=(?:%b)*\n)" % b"|".join(re.escape(c.encode()) for c in spaces))


def _after_space(block: bytes) -> int:
    return max(block.rfind(b"\n"), block.rfind(b" ")) + 1


def _tail(block: bytes, end: int) -> str:
    """Return the last LOOK_BACK bytes before ``end``, but for half a character."""
    start = max(end - LOOK_BACK, 0)
    while start < end and 0x80 <= block[start] < 0xC0:
        start += 1
    return block[start:end].decode("utf-8")


def _last_place(block: bytes, end: int, places: re.Pattern[str]) -> int:
    tail = _tail(block, end)
    cut = max((found.start() for found in places.finditer(tail)), default=0)
    # At the end of the tail the next character is not known.
    return end - len(tail[cut:].encode("utf-8")) if 0 < cut < len(tail) else 0


def _last_cut(block: bytes, end: int, may_cut: MayCut) -> int:
    after = ""
    for character in reversed(_tail(block, end)):
        if may_cut(character, after):
            return end
        end -= len(character.encode("utf-8"))
        after = character
    return 0


def _may_cut(source: Tokenizer | str) -> MayCut | None:
    """Return the rule, or None where any two characters may be cut apart."""
    if isinstance(source, str):
        lowercase, pattern, kind = True, None, source
    else:
        lowercase, pattern, kind = source.lowercase, getattr(source, "pattern", None), source.kind
    rules: list[MayCut] = []
    if kind == "whitespace":
        rules.append(_between_whitespace)
    elif kind == "word" and pattern != "mini":
        rules.append(_between_words)
    if kind == "word" and pattern != "unicode":
        rules.append(_between_mini_words)
    if lowercase:
        rules.append(_same_lower_case)
    if not rules:
        return None
    return lambda before, after: all(rule(before, after) for rule in rules)


def _between_whitespace(before: str, after: str) -> bool:
    return before.isspace() or after.isspace()


def _between_mini_words(before: str, after: str) -> bool:
    return not all(character.isalnum() or character in ("", "_") for character in (before, after))


def _between_words(before: str, after: str) -> bool:
    if not _extends(before) and not is_unspaced(before):
        return True
    if after == "":
        return False
    if is_unspaced(after) or not _extends(after):
        return True
    return is_unspaced(before) and not is_mark(after)


def _extends(character: str) -> bool:
    """Tell whether a word may go on after or with this character."""
    return character in JOINERS or unicodedata.category(character)[0] in "LMN"


def _same_lower_case(before: str, after: str) -> bool:
    r"""Tell whether the lower case of no capital sigma depends on both sides of the cut.

    It is \u03c2 or \u03c3 by the nearest characters that are not case-ignorable (Unicode,
    SpecialCasing, Final_Sigma).
    """
    if _is_neither(before):
        return True
    return after != "" and (_is_neither(after) or (_stops_sigma(before) and _stops_sigma(after)))


def _is_neither(character: str) -> bool:
    """Tell whether it is neither cased nor case-ignorable."""
    return f"A{character}{CAPITAL_SIGMA}".lower().endswith("\u03c3")


def _stops_sigma(character: str) -> bool:
    """Tell whether it is no sigma, and decides alone about a sigma beside it."""
    is_cased_only = f"{character}{CAPITAL_SIGMA}".lower().endswith("\u03c2")
    return character != CAPITAL_SIGMA and is_cased_only
