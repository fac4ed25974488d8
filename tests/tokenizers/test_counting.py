"""Counting symbols: the same counts as of the obvious way, whatever the blocks."""

from __future__ import annotations

from collections import Counter

import pytest

from fastlm.errors import TokenizerError
from fastlm.tokenizers.counting import count_symbols, symbol_counter

from .samples import SAMPLES


def test_counts_are_a_counter() -> None:
    counter = symbol_counter("word", lowercase=True)
    counter.add("The cat, the cat. ΟΔΟΣ".encode())
    expected = Counter({"the": 2, "cat": 2, ",": 1, ".": 1, "οδος": 1})
    assert counter.counts() == expected
    assert all(type(count) is int for count in counter.counts().values())


def test_merging_leaves_the_other_as_it_is() -> None:
    one, other = symbol_counter("word"), symbol_counter("word")
    one.add(b"a b")
    other.add(b"b c")
    one.merge(other)
    other.add(b"c")
    one.add(b"a")
    assert one.counts() == {"a": 2, "b": 2, "c": 1}
    assert other.counts() == {"b": 1, "c": 2}


def test_counters_of_other_settings_are_not_merged() -> None:
    with pytest.raises(TokenizerError, match=r"'word', True.* cannot be added .*'word', False"):
        symbol_counter("word").merge(symbol_counter("word", lowercase=True))


@pytest.mark.parametrize("kind", ["char", "whitespace"])
def test_texts_are_counted_as_python_counts(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastlm.tokenizers.counting.CHUNK", 5)
    split = list if kind == "char" else str.split
    expected = Counter(symbol for text in SAMPLES.values() for symbol in split(text.lower()))
    assert count_symbols(SAMPLES.values(), kind, True, "unicode") == expected
