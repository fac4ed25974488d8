"""Counting the symbols of a stream of text, for vocabularies that are built from counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

from fastlm.errors import TokenizerError
from fastlm.text.documents import check_documents, split_documents
from fastlm.tokenizers.backend import compiled_pays_for
from fastlm.tokenizers.base import iter_texts
from fastlm.tokenizers.char import CharacterCounts
from fastlm.tokenizers.safe_cut import cut_text
from fastlm.tokenizers.vocabulary import COUNTED_KINDS
from fastlm.tokenizers.whitespace import whitespace_cut
from fastlm.tokenizers.word import WordCut
from fastlm.tokenizers.word_level import CHUNK, Cut

if TYPE_CHECKING:
    from fastlm.tokenizers.compiled import CompiledCounter

__all__ = ["SymbolCounter", "count_symbols", "symbol_counter"]


class SymbolCounter:
    """Counts the symbols of a stream: one counter per worker, merged at the end.

    The counts do not depend on the sizes of the blocks, their order, or who counted which. Made
    by `symbol_counter`.
    """

    def __init__(
        self, kind: str, lowercase: bool, pattern: str, documents: str, total: int | None
    ) -> None:
        self._settings = (kind, lowercase, pattern, documents)
        self._counts: Counter[str] = Counter()  # of others, merged
        self._python = _python_counter(kind, lowercase, pattern)
        self._compiled: CompiledCounter | None = None
        self._compiled_pays = compiled_pays_for(kind, lowercase, documents)
        self._seen = total or 0

    def add(self, block: bytes) -> None:
        """Count the symbols of a block. The kernels release the GIL."""
        if self._compiled is None and self._compiled_pays(self._seen + len(block)):
            from fastlm.tokenizers.compiled import compiled_counter

            self._compiled = compiled_counter(*self._settings)
        if self._compiled is not None:
            self._compiled.add(block)
            return
        self._seen += len(block)
        for text in split_documents(block.decode("utf-8"), self._settings[-1]):
            self._python.add(text)

    def merge(self, other: SymbolCounter) -> None:
        """Add what another counter of the same settings has counted.

        Raises TokenizerError when its settings are others.
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
        counts.update(self._python.counts())
        if self._compiled is not None:
            counts.update(self._compiled.counts())
        return counts


def symbol_counter(
    kind: str,
    *,
    lowercase: bool = False,
    pattern: str = "unicode",
    documents: str = "file",
    total: int | None = None,
) -> SymbolCounter:
    """Return a counter for a kind of tokenizer.

    Parameters
    ----------
    kind : {"char", "word", "whitespace"}
        One of `COUNTED_KINDS`.
    lowercase, pattern
        As for `build_tokenizer`.
    documents : {"file", "lines", "paragraphs"}
        What stands between documents (see `split_documents`) is not counted.
    total : int, optional
        How many bytes are to come, if that is known.

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
    return SymbolCounter(kind, lowercase, pattern, documents, total)


def count_symbols(texts: Iterable[str], kind: str, lowercase: bool, pattern: str) -> Counter[str]:
    """Return how often each symbol occurs in all texts."""
    counter = symbol_counter(kind, lowercase=lowercase, pattern=pattern)
    for text in iter_texts(texts):
        for part in cut_text(kind, text, CHUNK):
            counter.add(part.encode())
    return counter.counts()


class _PythonCounter(Protocol):
    def add(self, text: str) -> None: ...

    def counts(self) -> Mapping[str, int]: ...


class _CutCounts:
    def __init__(self, cut: Cut) -> None:
        self._cut = cut
        self._counts: Counter[str] = Counter()

    def add(self, text: str) -> None:
        self._counts.update(self._cut(text))

    def counts(self) -> Counter[str]:
        return self._counts


def _python_counter(kind: str, lowercase: bool, pattern: str) -> _PythonCounter:
    if kind == "char":
        return CharacterCounts(lowercase)
    return _CutCounts(WordCut(pattern, lowercase) if kind == "word" else whitespace_cut(lowercase))
