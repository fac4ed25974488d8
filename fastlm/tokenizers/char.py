"""The `char` tokenizer: one token for each character (Unicode code point)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from os import PathLike
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from fastlm.checks import shown
from fastlm.errors import TokenizerError
from fastlm.system.json_values import FLAG, TEXT, Kind, or_null
from fastlm.tokenizers.base import CountedTokenizer, TokenArray
from fastlm.tokenizers.vocabulary import (
    CODE_POINTS,
    UNK,
    Vocabulary,
    counted_characters,
    unknown_symbol,
)

__all__ = ["CharTokenizer", "CharacterCounts", "character_of_line", "name_character"]

REPLACEMENT = 0xFFFD
"""The code point that `<unk>` and the boundary token decode to."""

CHUNK = 1 << 18
"""Characters looked up at a time: bounds the scratch memory and keeps it in the cache."""


class CharTokenizer(CountedTokenizer):
    """One token for each character; `decode(encode(text)) == text` when all are known.

    Parameters
    ----------
    vocabulary : Vocabulary
        Every symbol but the special tokens is one character.
    lowercase : bool
        Read `text.lower()` in place of the text.
    unknown : str, optional
        A character of the vocabulary that every unknown one reads as, in place of `<unk>`.

    Raises
    ------
    TokenizerError
        For a symbol of several characters, an upper-case symbol with `lowercase`, and an
        `unknown` that is not in the vocabulary or stands beside `<unk>`.
    """

    kind: ClassVar[str] = "char"
    form_kinds: ClassVar[Mapping[str, Kind]] = {"lowercase": FLAG, "unknown": or_null(TEXT)}

    def __init__(
        self, vocabulary: Vocabulary, *, lowercase: bool = False, unknown: str | None = None
    ) -> None:
        super().__init__(vocabulary, lowercase=lowercase)
        self.unknown = unknown
        ordinary = vocabulary.ordinary
        for symbol in ordinary:
            _check_character(symbol, lowercase)
        id_of_unknown = vocabulary.unk_id
        if unknown is not None:
            if unknown not in ordinary:
                raise TokenizerError(
                    f"the character for unknown ones, {shown(unknown)}, is not in the vocabulary; "
                    "name one that is"
                )
            if id_of_unknown is not None:
                raise TokenizerError(
                    f"unknown characters cannot become both {UNK} and {shown(unknown)}; choose one"
                )
            id_of_unknown = ordinary[unknown]
        codes = np.array([ord(symbol) for symbol in ordinary], dtype=np.int64)
        self._id_of_code_point = np.full(CODE_POINTS, id_of_unknown or 0, dtype=self.dtype)
        self._id_of_code_point[codes] = list(ordinary.values())
        self._is_known: npt.NDArray[np.bool_] | None = None
        if id_of_unknown is None:
            self._is_known = np.zeros(CODE_POINTS, dtype=np.bool_)
            self._is_known[codes] = True
        self._code_point_of_id = np.full(self.vocab_size, REPLACEMENT, dtype="<u4")
        self._code_point_of_id[list(ordinary.values())] = codes

    @classmethod
    def tiny(cls) -> Self:
        """Return the fixed 27 characters of the Tiny system: space = 0, a = 1, ..., z = 26.

        Text is lower-cased, every character that is not a to z reads as a space, and there is
        neither `<end>` nor `<unk>`.
        """
        symbols = " abcdefghijklmnopqrstuvwxyz"
        return cls(Vocabulary.from_ordered(symbols), lowercase=True, unknown=" ")

    def id_table(self) -> npt.NDArray[np.int32]:
        """Return int32[0x110000], the id of each code point, or -1 where it is an error."""
        table = self._id_of_code_point.astype(np.int32)
        if self._is_known is not None:
            table[~self._is_known] = -1
        return table

    def _save_symbols(self, path: str | PathLike[str]) -> None:
        self.vocabulary.to_file(path, _line_of_character)

    def _encode(self, text: str) -> TokenArray:
        if self.lowercase:
            text = text.lower()
        ids = np.empty(len(text), dtype=self.dtype)
        start = 0
        for codes in _code_points(text):
            if self._is_known is not None and not self._is_known[codes].all():
                at = start + int(np.argmin(self._is_known[codes]))
                raise unknown_symbol(
                    f"{name_character(text[at])} at position {at}", self.vocab_size
                )
            # mode="clip" spares the bounds check: code points are below CODE_POINTS.
            np.take(self._id_of_code_point, codes, out=ids[start : start + len(codes)], mode="clip")
            start += len(codes)
        return ids

    def _decode(self, ids: npt.NDArray[np.int64]) -> str:
        return self._code_point_of_id[ids].tobytes().decode("utf-32-le")


def name_character(character: str) -> str:
    """Return a character as messages show it."""
    return f"the character {character!r} (U+{ord(character):04X})"


class CharacterCounts:
    """A counter of the characters of texts, with NumPy."""

    def __init__(self, lowercase: bool) -> None:
        self._lowercase = lowercase
        self._counts = np.zeros(CODE_POINTS, dtype=np.int64)

    def add(self, text: str) -> None:
        """Count the characters of a text."""
        for codes in _code_points(text.lower() if self._lowercase else text):
            found = np.bincount(codes)
            self._counts[: len(found)] += found

    def counts(self) -> dict[str, int]:
        """Return how often each character occurred."""
        return counted_characters(self._counts)


def _code_points(text: str) -> Iterator[npt.NDArray[Any]]:
    """Yield the code points, CHUNK at a time."""
    for start in range(0, len(text), CHUNK):
        part = text[start : start + CHUNK]
        if part.isascii():
            yield np.frombuffer(part.encode("ascii"), dtype=np.uint8)
        else:
            yield np.frombuffer(part.encode("utf-32-le"), dtype="<u4")


def _check_character(symbol: str, lowercase: bool) -> str:
    if len(symbol) != 1:
        raise TokenizerError(
            f"{shown(symbol)} has {len(symbol)} characters; a char vocabulary holds one a symbol"
        )
    if lowercase and symbol.lower() != symbol:
        raise TokenizerError(
            f"{shown(symbol)} can never occur in lower-cased text; take it out or keep the case"
        )
    return symbol


_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\"}
_UNESCAPES = {escape: character for character, escape in _ESCAPES.items()}
_NUMBERED = re.compile(r"\\u([0-9A-Fa-f]{4})|\\U([0-9A-Fa-f]{8})")


def _line_of_character(character: str) -> str:
    """Return the line of a vocabulary file that stands for a character."""
    if character in _ESCAPES or character.isprintable():
        return _ESCAPES.get(character, character)
    code = ord(character)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def character_of_line(line: str, lowercase: bool) -> str:
    r"""Return the character that a line of a vocabulary file stands for.

    The escapes are \n, \r, \t, \\, \uXXXX and \UXXXXXXXX.

    Raises
    ------
    TokenizerError
        For several characters, and for one that cannot occur with `lowercase`.
    """
    numbered = _NUMBERED.fullmatch(line)
    if numbered is None:
        return _check_character(_UNESCAPES.get(line, line), lowercase)
    code = int(numbered[1] or numbered[2], 16)
    if code >= CODE_POINTS:
        raise TokenizerError(f"{line} is beyond the last code point, \\U0010ffff")
    return _check_character(chr(code), lowercase)
