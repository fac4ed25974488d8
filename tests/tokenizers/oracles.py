"""The obvious way to split text into words."""

from __future__ import annotations

import unicodedata

from fastlm.tokenizers.words.word_pattern import is_unspaced


def separates(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] == "Z" or category in ("Cc", "Cf", "Cs")


def in_word(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN" and not is_unspaced(character)


def naive_split(text: str) -> list[str]:
    """Split off one token after the other, asking for one character's category at a time."""
    tokens = []
    start = 0
    while start < len(text):
        stop = start + 1
        if separates(text[start]):
            start = stop
            continue
        if is_unspaced(text[start]):
            while stop < len(text) and unicodedata.category(text[stop])[0] == "M":
                stop += 1
        elif in_word(text[start]):
            while True:
                further = stop
                while further < len(text) and text[further] in "\u200c\u200d":
                    further += 1
                if further == len(text) or not in_word(text[further]):
                    break
                stop = further + 1
        tokens.append(text[start:stop])
        start = stop
    return tokens
