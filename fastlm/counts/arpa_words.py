r"""Tokens as words of an ARPA file, which have no white space.

=============================================  ==========================
token                                          word
=============================================  ==========================
the boundary token                             ``<s>`` as the first of an n-gram, else ``</s>``
the unknown token                              ``<unk>``
a token with a space, tab, line feed, return   these as ``\s``, ``\t``, ``\n``, ``\r``
with other white space or control characters   these as ``\u{85}``: the code point in base 16
with a backslash                               this as ``\\``
another token written ``<s>`` (or in capitals) ``\<s>``; the same for ``</s>`` and ``<unk>``
=============================================  ==========================
"""

from __future__ import annotations

import re

from fastlm.tokenizers.vocabulary import Vocabulary

__all__ = ["BEGIN", "END", "UNKNOWN", "token_of", "word_of", "words_of"]

BEGIN, END, UNKNOWN = "<s>", "</s>", "<unk>"

_SHORT = {" ": "s", "\t": "t", "\n": "n", "\r": "r", "\\": "\\"}
_LONG = {short: character for character, short in _SHORT.items()}
_TO_ESCAPE = re.compile(r"[\s\\\x00-\x1f\x7f-\x9f]")
_ESCAPED = re.compile(r"\\(?:([strn\\])|u\{([0-9a-f]{1,6})\}|(?=<))")


def word_of(token: str) -> str:
    """Return the word of a token that is neither the boundary nor the unknown one."""

    def escape(match: re.Match[str]) -> str:
        character = match[0]
        return "\\" + _SHORT.get(character, f"u{{{ord(character):x}}}")

    if token.lower() in (BEGIN, END, UNKNOWN):
        return "\\" + token
    return _TO_ESCAPE.sub(escape, token)


def token_of(word: str) -> str:
    """Return the token of a word; a backslash that begins no escape stands for itself."""

    def unescape(match: re.Match[str]) -> str:
        short, code = match.groups()
        if code is not None:
            return chr(int(code, 16)) if int(code, 16) <= 0x10FFFF else match[0]
        return "" if short is None else _LONG[short]

    return _ESCAPED.sub(unescape, word)


def words_of(vocabulary: Vocabulary, boundary: int | None) -> list[str]:
    """Return the word of each token; the boundary token is ``</s>``."""
    words = list(map(word_of, vocabulary.symbols))
    if vocabulary.unk_id is not None:
        words[vocabulary.unk_id] = UNKNOWN
    if boundary is not None:
        words[boundary] = END
    return words
