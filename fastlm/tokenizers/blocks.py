r"""Tokenising a stream block by block: counting its symbols, then encoding it.

A block is UTF-8 with \n for every line end and no byte order mark, of any length. It begins where
the text begins or where `safe_cut` cut it, and ends where `safe_cut` cuts it or where the text
ends. Blocks then do not depend on each other: any worker may take any of them.

Small text is done in Python, large text by compiled kernels, with the same result; characters and
bytes by NumPy as long as that is sooner than loading Numba. A counter or
encoder begins in Python, unless it is told how much is to come, and goes over to the kernels when
it has seen enough that they would have paid.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Protocol

from fastlm.documents import DOCUMENT_MODES, split_documents
from fastlm.errors import CorpusError, TokenizerError
from fastlm.tokenizers.base import TokenArray, Tokenizer
from fastlm.tokenizers.build import COUNTED_KINDS, build_tokenizer_from_counts
from fastlm.tokenizers.char import CharacterCounts
from fastlm.tokenizers.compiled_pays import NUMPY_UP_TO, compiled_pays, compiled_pays_beside_numpy
from fastlm.tokenizers.safe_cut import safe_cut
from fastlm.tokenizers.symbols import Cut
from fastlm.tokenizers.whitespace import whitespace_cut
from fastlm.tokenizers.word import WordCut

if TYPE_CHECKING:
    from fastlm.tokenizers.compiled_blocks import CompiledCounter, CompiledEncoder

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
        self._compiled_pays = _compiled_from(kind, lowercase, documents)
        self._seen = total or 0

    def add(self, block: bytes) -> None:
        """Count the symbols of a block. The kernels release the GIL."""
        if self._compiled is None and self._compiled_pays(self._seen + len(block)):
            from fastlm.tokenizers.compiled_blocks import compiled_counter

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


class BlockEncoder:
    """Encodes blocks with one tokenizer; for one thread at a time. Made by `block_encoder`."""

    def __init__(self, tokenizer: Tokenizer, documents: str, total: int | None) -> None:
        self._tokenizer = tokenizer
        self._documents = documents
        self._compiled: CompiledEncoder | None = None
        lowercase = bool(getattr(tokenizer, "lowercase", False))
        self._compiled_pays = _compiled_from(tokenizer.kind, lowercase, documents)
        self._can_compile = True
        self._seen = total or 0

    def encode(self, block: bytes) -> TokenArray:
        """Return the ids of a block, ``tokenizer.dtype[T]``. The kernels release the GIL.

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
            from fastlm.tokenizers.compiled_blocks import compiled_encoder

            self._compiled = compiled_encoder(self._tokenizer, self._documents)
            self._can_compile = self._compiled is not None
        if self._compiled is not None:
            return self._compiled.encode(block)
        self._seen += len(block)
        text = block.decode("utf-8")
        if self._documents == "file":
            return self._tokenizer.encode(text)
        return self._tokenizer.encode_documents(split_documents(text, self._documents))


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
    _check_documents(documents)
    return SymbolCounter(kind, lowercase, pattern, documents, total)


def block_encoder(
    tokenizer: Tokenizer, documents: str = "file", *, total: int | None = None
) -> BlockEncoder:
    """Return an encoder; several of them may share a tokenizer.

    Parameters
    ----------
    tokenizer : Tokenizer
    documents : {"file", "lines", "paragraphs"}
        "file": nothing is inserted; who reads the files adds `boundary_id` after each. Otherwise
        each document of a block (see `split_documents`) is ended by `boundary_id`, if there is
        one.
    total : int, optional
        How many bytes are to come, if that is known.

    Raises
    ------
    CorpusError
        For an unknown kind of documents.
    """
    _check_documents(documents)
    return BlockEncoder(tokenizer, documents, total)


def _compiled_from(kind: str, lowercase: bool, documents: str) -> Callable[[int], bool]:
    """What says from which size on kernels pay."""
    if kind in NUMPY_UP_TO and not lowercase and documents == "file":
        return partial(compiled_pays_beside_numpy, kind)
    return compiled_pays


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


def _check_documents(documents: str) -> None:
    if documents not in DOCUMENT_MODES:
        raise CorpusError(
            f"documents must be one of {', '.join(DOCUMENT_MODES)}, got {documents!r}"
        )
