"""Splitting of text into the symbols of the `word` and `whitespace` tokenizers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from fastlm.checks import shown
from fastlm.errors import TokenizerError
from fastlm.tokenizers.vocabulary import LINE_END
from fastlm.tokenizers.words.word_pattern import WORD_PATTERNS, word_pattern

__all__ = ["Splitter"]

WHITESPACE = "whitespace"


@dataclass(frozen=True)
class Splitter:
    """Splits a text into symbols, in order; none holds white space, but a line end may be one.

    Attributes
    ----------
    pattern : {"unicode", "mini", "whitespace"}
        A pattern of `word` (see `word_pattern`), or "whitespace" for `str.split`.
    lowercase : bool
        Whether `text.lower()` is split.
    line_ends : bool
        Whether each line end is a symbol.
    """

    pattern: str
    lowercase: bool
    line_ends: bool = False

    @classmethod
    def of(cls, kind: str, lowercase: bool, pattern: str, line_ends: bool = False) -> Self:
        """Return the splitter of a kind; `whitespace` has no choice of pattern.

        Raises
        ------
        TokenizerError
            For a pattern that `word` does not have.
        """
        if kind == WHITESPACE:
            return cls(WHITESPACE, lowercase, line_ends)
        if pattern not in WORD_PATTERNS:
            raise TokenizerError(
                f"the word tokenizer's pattern must be one of {', '.join(WORD_PATTERNS)}, "
                f"got {shown(pattern)}"
            )
        return cls(pattern, lowercase, line_ends)

    def __call__(self, text: str) -> list[str]:
        """Return the symbols of a text."""
        if self.lowercase:
            text = text.lower()
        if self.pattern != WHITESPACE:
            return word_pattern(self.pattern, text.isascii(), self.line_ends).findall(text)
        if not self.line_ends:
            return text.split()
        symbols: list[str] = []
        for number, line in enumerate(text.split(LINE_END)):
            if number:
                symbols.append(LINE_END)
            symbols += line.split()
        return symbols

    def check_symbol(self, symbol: str) -> str:
        """Return a symbol that this splitter can give; a TokenizerError for any other."""
        parts = self(symbol)
        if parts != [symbol]:
            kind = WHITESPACE if self.pattern == WHITESPACE else "word"
            raise TokenizerError(
                f"{shown(symbol)} can never occur: the {kind} tokenizer reads it as "
                f"{shown(parts)}; take it out or choose another tokenizer"
            )
        return symbol
