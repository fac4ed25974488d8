"""The offsets of tokens: which characters of a text each of them stands for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from fastlm.tokenizers.base import Tokenizer
from fastlm.tokenizers.bpe import BpeTokenizer
from fastlm.tokenizers.word_level import WordLevelTokenizer
from fastlm.tokenizers.words.splitter import WHITESPACE, Splitter
from fastlm.tokenizers.words.word_pattern import word_pattern

__all__ = ["token_offsets"]

_VISIBLE = re.compile(r"\S+")
_VISIBLE_OR_LINE_END = re.compile(r"\n|\S+")


def token_offsets(tokenizer: Tokenizer, text: str) -> NDArray[np.int64]:
    """Return the first character of each token of a text, and the one after its last.

    Tokens of which several make up a character (bytes) have that character, each of them. What
    separates words belongs to none. Of lower-cased text, they refer to the text before.

    Parameters
    ----------
    tokenizer : Tokenizer
    text : str
        As ``tokenizer.encode`` takes it; the offsets are of as many tokens.

    Returns
    -------
    int64[T, 2]
    """
    if isinstance(tokenizer, BpeTokenizer):
        return tokenizer.offsets(text)
    read = text.lower() if tokenizer.lowercase else text
    if isinstance(tokenizer, WordLevelTokenizer):
        spans = _array(match.span() for match in _symbols(tokenizer.splitter, read).finditer(read))
    elif tokenizer.kind == "byte":
        at = np.arange(len(read))
        if not read.isascii():
            at = np.repeat(at, [len(character.encode("utf-8")) for character in read])
        spans = np.stack((at, at + 1), axis=1)
    else:
        at = np.arange(len(read))
        spans = np.stack((at, at + 1), axis=1)
    if len(read) == len(text):
        return spans
    # Some characters have several in lower case: the capital I with a dot above.
    source = np.repeat(np.arange(len(text)), [len(character.lower()) for character in text])
    return np.stack((source[spans[:, 0]], source[spans[:, 1] - 1] + 1), axis=1)


def _symbols(splitter: Splitter, text: str) -> re.Pattern[str]:
    """Return the expression whose matches are the symbols of a text."""
    if splitter.pattern == WHITESPACE:
        return _VISIBLE_OR_LINE_END if splitter.line_ends else _VISIBLE
    return word_pattern(splitter.pattern, text.isascii(), splitter.line_ends)


def _array(spans: Iterable[tuple[int, int]]) -> NDArray[np.int64]:
    return np.fromiter(chain.from_iterable(spans), dtype=np.int64).reshape(-1, 2)
