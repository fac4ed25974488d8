"""The tables of all characters, against Python's own knowledge of each."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.tokenizers.character_tables import character_classes, lower_case_table, space_table
from fastlm.tokenizers.words.splitter import Splitter
from fastlm_kernels.text.words import DOCUMENT_END, LONGER, SEPARATOR, SYMBOL, WORD


def test_white_space() -> None:
    expected = [character.isspace() for character in map(chr, range(0x110000))]
    assert np.array_equal(space_table() != 0, expected)


def test_lower_case() -> None:
    table = lower_case_table()
    for code in set(range(len(table))) - {ord("İ"), ord("Σ")}:
        assert chr(table[code]) == chr(code).lower()
    assert all(c.lower() == c for c in map(chr, range(len(table), 0x110000)))


@pytest.mark.parametrize("pattern", ["unicode", "mini", "whitespace"])
def test_classes_agree_with_the_splitter(pattern: str) -> None:
    classes = character_classes(pattern)
    split = Splitter(pattern, False)
    for code in range(0, 0x110000, 97):
        symbols = split(f"a{chr(code)}a")
        kind = classes.of_character[code]
        if kind == SEPARATOR:
            assert symbols == ["a", "a"]
        elif kind == SYMBOL:
            assert symbols == ["a", chr(code), "a"]
        elif kind == WORD:
            assert symbols == [f"a{chr(code)}a"]


def test_bytes_are_ascii_or_the_beginning_of_more() -> None:
    for pattern in ("unicode", "mini", "whitespace"):
        classes = character_classes(pattern)
        assert np.array_equal(classes.of_byte[:128], classes.of_character[:128])
        assert set(classes.of_byte[128:255].tolist()) == {LONGER}
        assert classes.of_byte[255] == DOCUMENT_END
