"""Tables of every character for the kernels: its class in a word, its lower case, white space."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastlm.tokenizers.vocabulary import CODE_POINTS
from fastlm.tokenizers.words.word_pattern import ASSIGNED_PLANES, JOINERS, character_ranges
from fastlm_kernels.text.words import (
    DOCUMENT_END,
    JOINER,
    LONGER,
    MARK,
    SEPARATOR,
    SYMBOL,
    UNSPACED,
    WORD,
)

__all__ = ["CharacterClasses", "character_classes", "lower_case_table", "space_table"]


class CharacterClasses(NamedTuple):
    """The part that bytes and characters play in a word (see ``fastlm_kernels.text.words``).

    Attributes
    ----------
    of_byte : uint8[256]
    of_character : uint8[0x110000]
    """

    of_byte: NDArray[np.uint8]
    of_character: NDArray[np.uint8]


@cache
def character_classes(pattern: str, line_ends: bool = False) -> CharacterClasses:
    """Return the classes for a `Splitter` of these: 1.1 MB, made once.

    That takes some 70 ms for "unicode".
    """
    if line_ends:
        without = character_classes(pattern)
        of_byte, of_character = without.of_byte.copy(), without.of_character.copy()
        of_byte[ord("\n")] = of_character[ord("\n")] = SYMBOL
        return CharacterClasses(of_byte, of_character)
    if pattern == "unicode":
        classes = _unicode_classes()
    elif pattern == "mini":
        classes = np.full(CODE_POINTS, SYMBOL, dtype=np.uint8)
        classes[space_table() != 0] = SEPARATOR
        for start, stop in ASSIGNED_PLANES:
            in_word = map(str.isalnum, map(chr, range(start, stop)))
            classes[start:stop][np.fromiter(in_word, np.bool_, stop - start)] = WORD
        classes[ord("_")] = WORD
    else:
        classes = np.where(space_table() != 0, SEPARATOR, WORD).astype(np.uint8)
    of_byte = np.full(256, LONGER, dtype=np.uint8)
    of_byte[:128] = classes[:128]
    of_byte[0xFF] = DOCUMENT_END
    return CharacterClasses(of_byte, classes)


def _unicode_classes() -> NDArray[np.uint8]:
    classes = np.full(CODE_POINTS, SYMBOL, dtype=np.uint8)
    found = character_ranges()
    # Marks are among the words, too, so they come after them.
    for kind, ranges in (
        (WORD, found.word), (MARK, found.marks), (UNSPACED, found.unspaced),
        (SEPARATOR, found.separators),
    ):  # fmt: skip
        for first, last in ranges:
            classes[first : last + 1] = kind
    classes[[ord(joiner) for joiner in JOINERS]] = JOINER
    return classes


@cache
def space_table() -> NDArray[np.uint8]:
    """Return uint8[0x110000], 1 for white space as `str.isspace` knows it."""
    spaces = np.ones(CODE_POINTS, dtype=np.uint8)
    spaces[_code_points("".join(_every_character().split()))] = 0
    return spaces


@cache
def lower_case_table() -> NDArray[np.int32]:
    """Return int32[n], the lower case of each code point below n; the others have none.

    The entries of the capital sigma and the dotted capital I mean nothing: their lower case
    depends on the text or is two characters, and the kernels know them.
    """
    lower = _code_points(_every_character().replace("\u0130", " ").lower())
    changed = np.flatnonzero(lower != np.arange(CODE_POINTS))
    return lower[: int(changed[-1]) + 1].astype(np.int32)


def _every_character() -> str:
    codes = np.arange(CODE_POINTS, dtype="<u4")
    return codes.tobytes().decode("utf-32-le", "surrogatepass")


def _code_points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")
