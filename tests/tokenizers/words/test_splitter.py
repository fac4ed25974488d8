"""The splitter of each kind of word-level tokenizer."""

from __future__ import annotations

import pytest

from fastlm.errors import TokenizerError
from fastlm.tokenizers.words.splitter import Splitter


@pytest.mark.parametrize(
    ("kind", "pattern", "lowercase", "symbols"),
    [
        ("word", "unicode", False, ["Snake", "_", "case", "-", "É"]),
        ("word", "mini", False, ["Snake_case", "-", "É"]),
        ("word", "mini", True, ["snake_case", "-", "é"]),
        ("whitespace", "unicode", False, ["Snake_case-É"]),
        ("whitespace", "unicode", True, ["snake_case-é"]),
    ],
)
def test_symbols(kind: str, pattern: str, lowercase: bool, symbols: list[str]) -> None:
    splitter = Splitter.of(kind, lowercase, pattern)
    assert splitter(" Snake_case-É\n") == symbols
    for symbol in symbols:
        assert splitter.check_symbol(symbol) == symbol


@pytest.mark.parametrize(
    ("kind", "pattern"), [("word", "unicode"), ("word", "mini"), ("whitespace", "unicode")]
)
def test_line_ends_as_symbols(kind: str, pattern: str) -> None:
    splitter = Splitter.of(kind, False, pattern, line_ends=True)
    for word in ("bc", "é", "猫"):
        assert splitter(f"\n a\t{word}\n\n a \n") == ["\n", "a", word, "\n", "\n", "a", "\n"]
    assert splitter("") == []
    assert splitter.check_symbol("\n") == "\n"
    with pytest.raises(TokenizerError, match="can never occur"):
        Splitter.of(kind, False, pattern).check_symbol("\n")


@pytest.mark.parametrize("pattern", ["maxi", "whitespace"])
def test_patterns_that_word_does_not_have(pattern: str) -> None:
    with pytest.raises(TokenizerError, match=f"must be one of unicode, mini, got '{pattern}'"):
        Splitter.of("word", False, pattern)


@pytest.mark.parametrize(("kind", "symbol"), [("word", "don't"), ("whitespace", "a b")])
def test_symbols_that_cannot_occur(kind: str, symbol: str) -> None:
    with pytest.raises(TokenizerError, match=f"can never occur: the {kind} tokenizer reads it as"):
        Splitter.of(kind, False, "unicode").check_symbol(symbol)
