"""Counting the symbols of a stream of text, for vocabularies that are built from counts.

One counter takes one block after the other; ``fastlm.data.encode`` counts a corpus with one for
each thread.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from fastlm.errors import TokenizerError
from fastlm.text.documents import check_documents, is_one_document, split_documents
from fastlm.tokenizers.backend import compiled_pays_for
from fastlm.tokenizers.base import iter_texts
from fastlm.tokenizers.char import CharacterCounts
from fastlm.tokenizers.safe_cut import cut_text
from fastlm.tokenizers.vocabulary import COUNTED_KINDS
from fastlm.tokenizers.word_level import CHUNK
from fastlm.tokenizers.words.splitter import Splitter

if TYPE_CHECKING:
    from fastlm.tokenizers.compiled import CompiledCounter

__all__ = ["SymbolCounter", "count_symbols", "symbol_counter"]


class SymbolCounter:
    """Counts the symbols of a stream; the counts of several counters may be added up.

    They depend neither on the sizes and the order of the blocks, nor on which worker counted
    which. Made by `symbol_counter`.
    """

    def __init__(
        self, kind: str, splitter: Splitter, pattern: str, documents: str, total: int | None
    ) -> None:
        lowercase = splitter.lowercase
        self._settings = (kind, lowercase, pattern, documents, splitter.line_ends)
        self._documents = documents
        self._counts: Counter[str] = Counter()
        self._characters = CharacterCounts(lowercase) if kind == "char" else None
        self._split = splitter
        self._compiled: CompiledCounter | None = None
        self._compiled_pays = compiled_pays_for(kind, lowercase, documents)
        self._seen = total or 0

    def add(self, block: bytes) -> None:
        """Count the symbols of a block (UTF-8). The kernels release the GIL."""
        if self._compiled is None and self._compiled_pays(self._seen + len(block)):
            from fastlm.tokenizers.compiled import compiled_counter

            self._compiled = compiled_counter(*self._settings)
        if self._compiled is not None:
            self._compiled.add(block)
            return
        self._seen += len(block)
        for text in texts_of_block(block, self._documents):
            if self._characters is not None:
                self._characters.add(text)
            else:
                self._counts.update(self._split(text))

    def merge(self, other: SymbolCounter) -> None:
        """Add the counts of another counter of the same settings.

        Raises
        ------
        TokenizerError
            When the settings differ.
        """
        if self._settings != other._settings:
            raise TokenizerError(
                f"counts of {other._settings} cannot be added to counts of {self._settings}; "
                "count with the same settings"
            )
        self._counts.update(other.counts())

    def counts(self) -> Counter[str]:
        """Return how often each symbol occurred, in no particular order."""
        counts = Counter(self._counts)
        for counter in (self._characters, self._compiled):
            if counter is not None:
                counts.update(counter.counts())
        return counts


def symbol_counter(
    kind: str,
    *,
    lowercase: bool = False,
    pattern: str = "unicode",
    documents: str = "file",
    line_ends: bool = False,
    total: int | None = None,
) -> SymbolCounter:
    """Return a counter for a kind of tokenizer.

    Parameters
    ----------
    kind : {"char", "word", "whitespace"}
        One of `COUNTED_KINDS`.
    lowercase, pattern, line_ends
        As for `build_tokenizer`.
    documents : {"file", "lines", "paragraphs", "stream"}
        What stands between documents (see `split_documents`) is not counted.
    total : int, optional
        The number of bytes to come, if it is known.

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
    check_documents(documents)
    splitter = Splitter.of(kind, lowercase, pattern, line_ends)
    return SymbolCounter(kind, splitter, pattern, documents, total)


def texts_of_block(block: bytes, documents: str) -> Iterable[str]:
    """Return the documents of a block; of a text that is one document, the part of it."""
    text = block.decode("utf-8")
    return (text,) if is_one_document(documents) else split_documents(text, documents)


def count_symbols(
    texts: Iterable[str], kind: str, lowercase: bool, pattern: str, line_ends: bool = False
) -> Counter[str]:
    """Return how often each symbol occurs in all texts."""
    counter = symbol_counter(kind, lowercase=lowercase, pattern=pattern, line_ends=line_ends)
    for text in iter_texts(texts):
        for part in cut_text(kind, text, CHUNK):
            counter.add(part.encode())
    return counter.counts()
