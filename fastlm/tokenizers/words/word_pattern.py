"""The regular expressions that split text into the tokens of `word`.

The classes come from the Unicode tables of the running Python: an older Python may split a
character differently that a newer Unicode has assigned.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from typing import TypeAlias

__all__ = [
    "ASSIGNED_PLANES",
    "JOINERS",
    "WORD_PATTERNS",
    "CharacterRanges",
    "character_ranges",
    "is_mark",
    "is_unspaced",
    "word_pattern",
]

Range: TypeAlias = tuple[int, int]
"""The first and the last code point."""

WORD_PATTERNS = ("unicode", "mini")

JOINERS = "\u200c\u200d"
"""Zero width (non-)joiners: part of a word when they stand inside it (Persian, Indic scripts)."""

UNSPACED_BLOCKS = (
    (0x0E00, 0x0EFF, "Thai, Lao"),
    (0x1000, 0x109F, "Myanmar"),
    (0x1780, 0x17FF, "Khmer"),
    (0x3005, 0x3007, "Han iteration mark, closing mark, zero"),
    (0x3021, 0x3029, "Hangzhou numerals"),
    (0x3031, 0x303C, "kana repeat marks, Hangzhou numerals, Han iteration mark"),
    (0x3040, 0x30FF, "Hiragana, Katakana"),
    (0x31F0, 0x31FF, "Katakana phonetic extensions"),
    (0x3400, 0x4DBF, "Han extension A"),
    (0x4E00, 0x9FFF, "Han"),
    (0xA9E0, 0xA9FF, "Myanmar extended B"),
    (0xAA60, 0xAA7F, "Myanmar extended A"),
    (0xF900, 0xFAFF, "Han compatibility"),
    (0xFF66, 0xFF9F, "halfwidth Katakana"),
    (0x116D0, 0x116FF, "Myanmar extended C"),
    (0x1AFF0, 0x1B16F, "Kana extended and supplement"),
    (0x20000, 0x3FFFF, "Han extensions B and later"),
)
"""Scripts written without spaces between words: each letter is a token, with its marks."""

ASSIGNED_PLANES = ((0, 0x40000), (0xE0000, 0xF0000))
"""The code points that may have characters. Planes 4 to 13 are empty in every Unicode so far, the
last two are for private use; without them the categories take a third of the time."""

_ASCII_SYMBOL = r"[!-/:-@\[-`{-~]"


def is_unspaced(character: str) -> bool:
    """Tell whether this is a letter of a script that puts no spaces between words."""
    code = ord(character)
    return code >= 0x0E00 and (
        any(first <= code <= last for first, last, _ in UNSPACED_BLOCKS)
        and _is_letter(unicodedata.category(character))
    )


def is_mark(character: str) -> bool:
    """Tell whether this is a combining mark (category M)."""
    return unicodedata.category(character)[0] == "M"


@cache
def word_pattern(name: str, ascii_only: bool, line_ends: bool = False) -> re.Pattern[str]:
    r"""Return the expression whose matches are the tokens of a text.

    "unicode"
        A letter of a script without spaces (Han, Hiragana, Katakana, Thai, Lao, Khmer, Myanmar),
        with the marks that follow it; else a run of letters, marks and numbers (categories L, M,
        N), joined by U+200C and U+200D inside; else a single character. White space, control,
        format and surrogate characters (Z, Cc, Cf, Cs) separate.
    "mini"
        `\w+|[^\w\s]`.

    Parameters
    ----------
    name : {"unicode", "mini"}
    ascii_only : bool
        Whether an expression for ASCII text alone will do. Building the classes of the other
        takes some 70 ms, once.
    line_ends : bool
        Whether each line feed is a token.
    """
    if name == "mini":
        pattern = r"\w+|[^\w\s]"
    else:
        pattern = rf"[0-9A-Za-z]++|{_ASCII_SYMBOL}" if ascii_only else _unicode_pattern()
    return re.compile(rf"\n|{pattern}" if line_ends else pattern)


@dataclass(frozen=True)
class CharacterRanges:
    """The ranges of code points that the "unicode" pattern distinguishes, each list in order."""

    word: list[Range]
    unspaced: list[Range]
    marks: list[Range]
    separators: list[Range]


@cache
def character_ranges() -> CharacterRanges:
    """Return the ranges by the category of every character; the marks are among the words too."""
    ranges = CharacterRanges([], [], [], [])
    for category, run in _runs_of_one_category():
        if _is_letter(category):
            inside, outside = _split_at_blocks(run)
            ranges.unspaced.extend(inside)
            ranges.word.extend(outside)
        elif category[0] in "MN":
            ranges.word.append(run)
        elif category[0] == "Z" or category in ("Cc", "Cf", "Cs"):
            ranges.separators.append(run)
        if category[0] == "M":
            ranges.marks.append(run)
    return ranges


def _unicode_pattern() -> str:
    ranges = character_ranges()
    in_word = _one_or_more(ranges.word)
    return (
        rf"[0-9A-Za-z]++(?![^\x00-\x7f])|{_ASCII_SYMBOL}|(?![\x00-\x20\x7f])(?:"
        f"{in_word}(?:[{JOINERS}]++{in_word})*+"
        f"|(?:{_one(ranges.unspaced)})(?:{_one_or_more(ranges.marks)})?"
        f"|[^{_inside(ranges.separators)}])"
    )


def _one(ranges: list[Range]) -> str:
    """Match one character of these ranges.

    The ranges beyond U+FFFF are searched one by one, so it is checked first that the character
    lies there at all.
    """
    near, far = _near_and_far(ranges)
    return rf"[{near}]|(?=[\U00010000-\U0010ffff])[{far}]"


def _one_or_more(ranges: list[Range]) -> str:
    near, far = _near_and_far(ranges)
    return rf"(?:[{near}]++|(?=[\U00010000-\U0010ffff])[{far}]++)++"


def _near_and_far(ranges: list[Range]) -> tuple[str, str]:
    """Return the contents of two character classes: up to U+FFFF, and beyond."""
    near = [run for run in ranges if run[0] <= 0xFFFF]
    return _inside(near), _inside(ranges[len(near) :])


def _inside(ranges: list[Range]) -> str:
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in ranges)


def _runs_of_one_category() -> Iterator[tuple[str, Range]]:
    for start, stop in ASSIGNED_PLANES:
        first = start
        for category, run in groupby(map(unicodedata.category, map(chr, range(start, stop)))):
            length = sum(1 for _ in run)
            yield category, (first, first + length - 1)
            first += length


def _split_at_blocks(run: Range) -> tuple[list[Range], list[Range]]:
    """Return the parts of a range inside and outside UNSPACED_BLOCKS, both in order."""
    inside: list[Range] = []
    outside: list[Range] = []
    first, last = run
    for block_first, block_last, _ in UNSPACED_BLOCKS:
        if block_last < first or last < block_first:
            continue
        if first < block_first:
            outside.append((first, block_first - 1))
        inside.append((max(first, block_first), min(last, block_last)))
        first = block_last + 1
    if first <= last:
        outside.append((first, last))
    return inside, outside


def _is_letter(category: str) -> bool:
    return category[0] == "L" or category == "Nl"
