r"""Tokenising a stream block by block: counting its symbols, then encoding it.

A block is UTF-8 with \n for every line end and no byte order mark, of any length. It begins where
the text begins or where `safe_cut` cut it, and ends where `safe_cut` cuts it or where the text
ends. Blocks then do not depend on each other: any worker may take any of them.
"""

from __future__ import annotations

from collections import Counter

import numpy as np

from fastlm.documents import DOCUMENT_MODES, split_documents
from fastlm.errors import CorpusError, TokenizerError
from fastlm.tokenizers.base import TokenArray, Tokenizer
from fastlm.tokenizers.build import COUNTED_KINDS, build_tokenizer_from_counts
from fastlm.tokenizers.safe_cut import safe_cut
from fastlm.tokenizers.symbols import Cut
from fastlm.tokenizers.whitespace import whitespace_cut
from fastlm.tokenizers.word import WordCut

__all__ = [
    "COUNTED_KINDS",
    "BlockEncoder",
    "SymbolCounter",
    "block_encoder",
    "build_tokenizer_from_counts",
    "safe_cut",
    "symbol_counter",
]


class SymbolCounter:
    """Counts the symbols of a stream: one counter per worker, merged at the end.

    The counts do not depend on the sizes of the blocks, their order, or who counted which.
    """

    def __init__(self, cut: Cut, documents: str) -> None:
        self._cut = cut
        self._documents = documents
        self._counts: Counter[str] = Counter()

    def add(self, block: bytes) -> None:
        """Count the symbols of a block."""
        for text in split_documents(block.decode("utf-8"), self._documents):
            self._counts.update(self._cut(text))

    def merge(self, other: SymbolCounter) -> None:
        """Add what another counter of the same settings has counted."""
        self._counts.update(other.counts())

    def counts(self) -> Counter[str]:
        """Return how often each symbol occurred, in no particular order."""
        return Counter(self._counts)


class BlockEncoder:
    """Encodes blocks with one tokenizer; may be used by one thread at a time.

    Parameters
    ----------
    tokenizer : Tokenizer
    documents : {"file", "lines", "paragraphs"}
        "file": nothing is inserted; who reads the files adds `boundary_id` after each. Otherwise
        each document of a block (see `split_documents`) is ended by `boundary_id`, if there is
        one.
    """

    def __init__(self, tokenizer: Tokenizer, documents: str) -> None:
        self._tokenizer = tokenizer
        self._documents = documents

    def encode(self, block: bytes) -> TokenArray:
        """Return the ids of a block, ``tokenizer.dtype[T]``.

        Raises
        ------
        TokenizerError
            For a symbol that the vocabulary lacks where it has no `<unk>`.
        """
        text = block.decode("utf-8")
        if self._documents == "file":
            return self._tokenizer.encode(text)
        parts = self._tokenizer.encode_each(split_documents(text, self._documents))
        return np.concatenate([np.empty(0, dtype=self._tokenizer.dtype), *parts])


def symbol_counter(
    kind: str, *, lowercase: bool = False, pattern: str = "unicode", documents: str = "file"
) -> SymbolCounter:
    """Return a counter for a kind of tokenizer (one of `COUNTED_KINDS`).

    Raises
    ------
    TokenizerError
        For a kind whose vocabulary does not come from counts, and for an unknown pattern.
    CorpusError
        For an unknown kind of documents.
    """
    if kind not in COUNTED_KINDS:
        raise TokenizerError(
            f"symbols are counted for {', '.join(COUNTED_KINDS)}, not for {kind}; build it "
            "without counts"
        )
    _check_documents(documents)
    cut: Cut
    if kind == "char":
        cut = _lower_characters if lowercase else list
    elif kind == "word":
        cut = WordCut(pattern, lowercase)
    else:
        cut = whitespace_cut(lowercase)
    return SymbolCounter(cut, documents)


def block_encoder(tokenizer: Tokenizer, documents: str = "file") -> BlockEncoder:
    """Return an encoder; see `BlockEncoder`."""
    _check_documents(documents)
    return BlockEncoder(tokenizer, documents)


def _lower_characters(text: str) -> list[str]:
    return list(text.lower())


def _check_documents(documents: str) -> None:
    if documents not in DOCUMENT_MODES:
        raise CorpusError(
            f"documents must be one of {', '.join(DOCUMENT_MODES)}, got {documents!r}"
        )
