r"""Encoding a stream in blocks (``tokenizers.counting`` counts its symbols before).

A block is UTF-8 with \n for every line end and no byte order mark, of any length. It begins where
the text begins or where `safe_cut` cut it, and ends where `safe_cut` cuts it or where the text
ends. Blocks are then independent of each other: any worker may take any of them.

Small text is done in Python, large text by compiled kernels, with the same result. Characters and
bytes are done with NumPy as long as that is faster than loading Numba. Without the total size, a
counter or encoder begins in Python, and changes to kernels once they would have paid.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastlm.text.documents import check_documents, is_one_document, split_documents
from fastlm.tokenizers.backend import compiled_pays_for
from fastlm.tokenizers.base import TokenArray, Tokenizer
from fastlm.tokenizers.build import build_tokenizer_from_counts
from fastlm.tokenizers.byte import ByteTokenizer
from fastlm.tokenizers.char import CharTokenizer
from fastlm.tokenizers.counting import SymbolCounter, symbol_counter
from fastlm.tokenizers.safe_cut import safe_cut
from fastlm.tokenizers.vocabulary import COUNTED_KINDS
from fastlm.tokenizers.word_level import WordLevelTokenizer

if TYPE_CHECKING:
    from fastlm.tokenizers.compiled import CompiledEncoder

# Public: the guide names this module for all that tokenizes a stream.
__all__ = [
    "COUNTED_KINDS",
    "BlockEncoder",
    "SymbolCounter",
    "block_encoder",
    "build_tokenizer_from_counts",
    "compiled_encoder",
    "safe_cut",
    "symbol_counter",
]


class BlockEncoder:
    """Encodes blocks with one tokenizer, in one thread at a time. Made by `block_encoder`."""

    def __init__(self, tokenizer: Tokenizer, documents: str, total: int | None) -> None:
        self._tokenizer = tokenizer
        self._documents = documents
        self._compiled: CompiledEncoder | None = None
        self._compiled_pays = compiled_pays_for(tokenizer.kind, tokenizer.lowercase, documents)
        self._can_compile = True
        self._seen = total or 0

    def encode(self, block: bytes) -> TokenArray:
        """Return the ids of a block (UTF-8), ``tokenizer.dtype[T]``. The kernels release the GIL.

        Raises
        ------
        TokenizerError
            For a symbol that the vocabulary lacks where it has no `<unk>`.
        """
        if (
            self._compiled is None
            and self._can_compile
            and self._compiled_pays(self._seen + len(block))
        ):
            self._compiled = compiled_encoder(self._tokenizer, self._documents)
            self._can_compile = self._compiled is not None
        if self._compiled is not None:
            return self._compiled.encode(block)
        self._seen += len(block)
        text = block.decode("utf-8")
        if is_one_document(self._documents):
            return self._tokenizer.encode(text)
        return self._tokenizer.encode_documents(split_documents(text, self._documents))


def block_encoder(
    tokenizer: Tokenizer, documents: str = "file", *, total: int | None = None
) -> BlockEncoder:
    """Return an encoder; several of them may share a tokenizer.

    Parameters
    ----------
    tokenizer : Tokenizer
    documents : {"file", "lines", "paragraphs", "stream"}
        "file", "stream": no boundary token is inserted; the reader of the files adds one after
        each.
        Otherwise each document of a block (see `split_documents`) ends with the boundary token,
        if there is one.
    total : int, optional
        The number of bytes to come, if it is known.

    Raises
    ------
    CorpusError
        For an unknown kind of documents.
    """
    check_documents(documents)
    return BlockEncoder(tokenizer, documents, total)


def compiled_encoder(tokenizer: Tokenizer, documents: str) -> CompiledEncoder | None:
    """Return an encoder, or None for a kind of tokenizer that has none."""
    if isinstance(tokenizer, WordLevelTokenizer):
        return tokenizer.compiled_encoder(documents)
    if not isinstance(tokenizer, CharTokenizer | ByteTokenizer):
        return None
    from fastlm.tokenizers.compiled import ByteEncoder, CharacterEncoder

    if isinstance(tokenizer, CharTokenizer):
        return CharacterEncoder(tokenizer, documents)
    return ByteEncoder(tokenizer, documents)
