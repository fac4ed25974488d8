"""What the `word` and `whitespace` tokenizers share: text is cut into symbols, then looked up."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from fastlm.errors import TokenizerError
from fastlm.tokenizers.backend import compiled_pays
from fastlm.tokenizers.base import TokenArray, Tokenizer
from fastlm.tokenizers.safe_cut import cut_text
from fastlm.tokenizers.vocabulary import Vocabulary, unknown_symbol

if TYPE_CHECKING:
    from fastlm.tokenizers.compiled import WordEncoder
    from fastlm_kernels.text.words import SymbolTable

__all__ = ["CHUNK", "Cut", "SymbolTokenizer", "check_reachable", "vocabulary_from_file"]

Cut: TypeAlias = Callable[[str], list[str]]
"""Cuts text into its symbols, in order. No symbol holds white space."""


CHUNK = 1 << 20
"""Characters cut into symbols at a time: bounds the memory that the strings take."""


class _Index(dict[str, int]):
    """Symbol to id; a missing symbol gives `unk_id`, or an error where there is none."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__(vocabulary.ordinary)
        self.unk_id = vocabulary.unk_id

    def __missing__(self, symbol: str) -> int:
        if self.unk_id is None:
            raise unknown_symbol(symbol, len(self))
        return self.unk_id


class SymbolTokenizer(Tokenizer):
    """A tokenizer that cuts text into strings at white space or finer, and looks each up.

    Raises
    ------
    TokenizerError
        For a symbol of the vocabulary that `cut` can never give.
    """

    lowercase: bool
    pattern: str
    """Which characters are a symbol together: a pattern of `word`, or "whitespace"."""

    def __init__(self, vocabulary: Vocabulary, cut: Cut) -> None:
        self.vocabulary = vocabulary
        self.cut = cut
        self._index = _Index(vocabulary)
        if cut("\n".join(self._index)) != list(self._index):
            for symbol in self._index:
                check_reachable(symbol, cut, self.kind)

    @cached_property
    def table(self) -> SymbolTable:
        """The symbols as compiled kernels look them up."""
        from fastlm.tokenizers.symbol_table import symbol_table

        return symbol_table(self.vocabulary)

    def compiled_encoder(self, documents: str = "file") -> WordEncoder:
        """Return an encoder of blocks; several of them may share this tokenizer."""
        from fastlm.tokenizers.compiled import WordEncoder

        return WordEncoder(self, self.cut, self.table, self.lowercase, self.pattern, documents)

    @property
    def decodes_apart(self) -> bool:
        return False

    def settled_text(self, ids: list[int]) -> str:
        return self.decode(ids).removesuffix(self.token(ids[-1])).removesuffix(" ")

    def save_vocab(self, path: str | PathLike[str]) -> None:
        if not self._saved_as_json(path):
            self.vocabulary.to_file(path)

    def _encode(self, text: str) -> TokenArray:
        if compiled_pays(len(text)):
            encoder = self.compiled_encoder()
            return np.concatenate(
                [encoder.encode(part.encode()) for part in cut_text(self, text, CHUNK)]
            )
        id_of = self._index.__getitem__
        parts = [np.empty(0, dtype=self.dtype)]
        for part in cut_text(self, text, CHUNK):
            symbols = self.cut(part)
            parts.append(np.fromiter(map(id_of, symbols), dtype=self.dtype, count=len(symbols)))
        return np.concatenate(parts)


def vocabulary_from_file(
    path: str | PathLike[str], cut: Cut, kind: str, **specials: Any
) -> Vocabulary:
    """Read a vocabulary file whose lines are the symbols themselves."""
    return Vocabulary.from_file(path, lambda line: check_reachable(line, cut, kind), **specials)


def check_reachable(symbol: str, cut: Cut, kind: str) -> str:
    """Return the symbol if `cut` can give it; a TokenizerError otherwise."""
    pieces = cut(symbol)
    if pieces != [symbol]:
        raise TokenizerError(
            f"{symbol!r} can never occur: the {kind} tokenizer reads it as {pieces}; take it out "
            "or choose another tokenizer"
        )
    return symbol
