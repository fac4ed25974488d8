"""Compiled counters and encoders of blocks; their kernels release the GIL.

The border to ``fastlm_kernels.text``: here bytes become arrays. Memory: a few times that of a
block, and tables that grow with the number of distinct symbols: 4.4 or 8.9 MB for characters; for
words 56 to 112 bytes a symbol, and its text.
"""

from __future__ import annotations

from collections import Counter
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastlm.text.documents import is_one_document
from fastlm.tokenizers.base import TokenArray, Tokenizer
from fastlm.tokenizers.char import CharTokenizer, name_character
from fastlm.tokenizers.character_tables import (
    CharacterClasses,
    character_classes,
    lower_case_table,
    space_table,
)
from fastlm.tokenizers.symbol_table import (
    BYTES_PER_SYMBOL,
    FIRST_SYMBOLS,
    hash_arithmetic,
    new_table,
)
from fastlm.tokenizers.vocabulary import (
    CODE_POINTS,
    counted_characters,
    unknown_symbol,
)
from fastlm.tokenizers.words.splitter import Splitter
from fastlm_kernels.runtime.jit import is_cached
from fastlm_kernels.text import characters, utf8, words
from fastlm_kernels.text.utf8 import END, PADDING
from fastlm_kernels.text.words import SymbolTable

__all__ = [
    "ByteEncoder",
    "CharacterEncoder",
    "CompiledCounter",
    "CompiledEncoder",
    "WordEncoder",
    "compiled_counter",
    "count_ids",
    "kernels_ready",
]


def kernels_ready() -> bool:
    """Return whether the kernels need no compiling."""
    return is_cached(words.encode_words)


def compiled_counter(
    kind: str, lowercase: bool, pattern: str, documents: str, line_ends: bool = False
) -> CompiledCounter:
    """Return a counter that counts like the tokenizer of this kind."""
    text = _BlockText(lowercase, documents)
    if kind == "char":
        return _CharacterCounter(text)
    return _WordCounter(text, character_classes(pattern if kind == "word" else kind, line_ends))


def count_ids(counts: NDArray[np.int64], ids: TokenArray) -> None:
    """Add to ``counts``, int64[V], how often each id occurs; all are below V.

    It takes 0.4 ns an id, ``np.bincount`` 1.2 ns.
    """
    characters.count_ids(counts, ids.view(np.uint16), ids.itemsize // 2)


class _BlockText:
    """Blocks as kernels read them: lower-cased, END after each document, PADDING at the end."""

    def __init__(self, lowercase: bool, documents: str) -> None:
        self._lowercase = lowercase
        self._documents = documents
        self._text = np.empty(0, dtype=np.uint8)
        self._lower = np.empty(0, dtype=np.uint8)

    def read(self, block: bytes) -> tuple[NDArray[np.uint8], int]:
        """Return an array uint8 that is valid until the next call, and the size of the text."""
        size = len(block)
        data = self._text = _with_room(self._text, size + PADDING + 1)
        data[:size] = np.frombuffer(block, dtype=np.uint8) if size else 0
        data[size : size + PADDING] = END
        if self._lowercase:
            out = self._lower = _with_room(self._lower, size * 3 // 2 + PADDING + 1)
            lower_size = int(utf8.lower_case(out, data, lower_case_table(), size))
            if lower_size < 0:
                return self._sigma_lower(block)
            data, size = out, lower_size
        return data, self._with_ends(data, size)

    def _sigma_lower(self, block: bytes) -> tuple[NDArray[np.uint8], int]:
        lower = block.decode("utf-8").lower().encode("utf-8")
        size = len(lower)
        self._lower[:size] = np.frombuffer(lower, dtype=np.uint8)
        self._lower[size : size + PADDING] = END
        return self._lower, self._with_ends(self._lower, size)

    def _with_ends(self, data: NDArray[np.uint8], size: int) -> int:
        if is_one_document(self._documents):
            return size
        paragraphs = int(self._documents == "paragraphs")
        return int(utf8.end_documents(data, space_table(), size, paragraphs))


def _with_room(array: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    return array if array.size >= size else np.empty(size + size // 8, dtype=np.uint8)


class _CharacterCounter:
    def __init__(self, text: _BlockText) -> None:
        self._text = text
        self._counts = np.zeros(CODE_POINTS, dtype=np.int64)

    def add(self, block: bytes) -> None:
        data, size = self._text.read(block)
        characters.count_characters(self._counts, data, size)

    def counts(self) -> Counter[str]:
        return Counter(counted_characters(self._counts))


class _WordCounter:
    def __init__(self, text: _BlockText, classes: CharacterClasses) -> None:
        self._text = text
        self._classes = classes
        self._table = new_table(FIRST_SYMBOLS, FIRST_SYMBOLS * BYTES_PER_SYMBOL + PADDING)
        self._counts = np.zeros(FIRST_SYMBOLS, dtype=np.int64)

    def add(self, block: bytes) -> None:
        data, size = self._text.read(block)
        at = 0
        while True:
            with hash_arithmetic():
                at = int(
                    words.count_words(self._counts, self._table, data, *self._classes, at, size)
                )
            if at >= size:
                return
            self._grow()

    def _grow(self) -> None:
        """Double the room for symbols if it is full, else that for their text."""
        old = self._table
        symbols, used = (int(number) for number in old.used)
        room, text_size = old.starts.size - 1, old.text.size
        if symbols == room:
            room *= 2
        else:
            text_size *= 2
        self._table = new_table(room, text_size)
        self._table.starts[: symbols + 1] = old.starts[: symbols + 1]
        self._table.text[:used] = old.text[:used]
        self._table.used[:] = old.used
        counts = np.zeros(room, dtype=np.int64)
        counts[:symbols] = self._counts[:symbols]
        self._counts = counts
        with hash_arithmetic():
            words.index_symbols(self._table)

    def counts(self) -> Counter[str]:
        symbols, used = (int(number) for number in self._table.used)
        text = self._table.text[:used].tobytes()
        starts = self._table.starts[: symbols + 1].tolist()
        counts = self._counts[:symbols].tolist()
        return Counter(
            {
                text[starts[number] : starts[number + 1]].decode("utf-8"): count
                for number, count in enumerate(counts)
            }
        )


class _Ids:
    """Room for the ids of a block, as kernels write them: uint16[width * T]."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.dtype = tokenizer.dtype
        self.width = self.dtype.itemsize // 2
        self.array = np.empty(0, dtype=np.uint16)

    def for_text(self, size: int) -> NDArray[np.uint16]:
        if self.array.size < self.width * size:
            self.array = np.empty(self.width * (size + size // 8), dtype=np.uint16)
        return self.array

    def first(self, count: int) -> TokenArray:
        """Return a copy of the first ids."""
        return self.array[: self.width * count].view(self.dtype).copy()


class _Encoder:
    def __init__(self, tokenizer: Tokenizer, documents: str) -> None:
        self._vocabulary = tokenizer.vocabulary
        self._text = _BlockText(tokenizer.lowercase, documents)
        self._ids = _Ids(tokenizer)
        # Kernels take -1 for None.
        self._boundary = -1 if tokenizer.boundary_id is None else tokenizer.boundary_id
        self._unknown = -1 if tokenizer.unk_id is None else tokenizer.unk_id


class CharacterEncoder(_Encoder):
    """Encodes characters by a table of all code points."""

    def __init__(self, tokenizer: CharTokenizer, documents: str) -> None:
        super().__init__(tokenizer, documents)
        self._id_of = tokenizer.id_table()

    def encode(self, block: bytes) -> TokenArray:
        """Return the ids of a block."""
        data, size = self._text.read(block)
        ids = self._ids.for_text(size)
        count = characters.encode_characters(
            ids, data, self._id_of, self._ids.width, size, self._boundary
        )
        if count < 0:
            character = _text_from(data, -1 - int(count), size)[0]
            raise unknown_symbol(name_character(character), len(self._vocabulary.symbols))
        return self._ids.first(int(count))


class WordEncoder(_Encoder):
    """Encodes words by a hash table; several encoders may share a tokenizer and its table."""

    def __init__(
        self, tokenizer: Tokenizer, splitter: Splitter, table: SymbolTable, documents: str
    ) -> None:
        super().__init__(tokenizer, documents)
        self._split = splitter
        self._classes = character_classes(splitter.pattern, splitter.line_ends)
        self._table = table

    def encode(self, block: bytes) -> TokenArray:
        """Return the ids of a block."""
        data, size = self._text.read(block)
        ids = self._ids.for_text(size)
        with hash_arithmetic():
            count = words.encode_words(
                ids, data, self._table, *self._classes,
                self._ids.width, size, self._boundary, self._unknown,
            )  # fmt: skip
        if count < 0:
            symbol = self._split(_text_from(data, -1 - int(count), size))[0]
            raise unknown_symbol(repr(symbol), len(self._vocabulary.ordinary))
        return self._ids.first(int(count))


class ByteEncoder(_Encoder):
    """Encodes bytes: an addition."""

    def encode(self, block: bytes) -> TokenArray:
        """Return the ids of a block."""
        data, size = self._text.read(block)
        text = data[:size]
        if self._boundary < 0:
            text = text[text != END]
        dtype = self._ids.dtype
        first = dtype.type(len(self._vocabulary.symbols) - 256)
        ids: TokenArray = np.add(text, first, dtype=dtype)
        if self._boundary >= 0:
            ids[text == END] = self._boundary
        return ids


CompiledCounter: TypeAlias = _CharacterCounter | _WordCounter
CompiledEncoder: TypeAlias = CharacterEncoder | WordEncoder | ByteEncoder


def _text_from(data: NDArray[np.uint8], start: int, size: int) -> str:
    """Return the text from a byte to the end of its document."""
    return data[start:size].tobytes().partition(bytes([END]))[0].decode("utf-8")
