"""The hash table by which compiled kernels look up the symbols of a vocabulary."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np

from fastlm.tokenizers.vocabulary import Vocabulary
from fastlm_kernels.runtime.jit import JIT_DISABLED
from fastlm_kernels.text import words
from fastlm_kernels.text.utf8 import PADDING
from fastlm_kernels.text.words import SymbolTable

__all__ = [
    "BYTES_PER_SYMBOL",
    "FIRST_SYMBOLS",
    "hash_arithmetic",
    "new_table",
    "symbol_table",
    "table_of",
]

FIRST_SYMBOLS = 1 << 12
"""Room for symbols in the first table of a counter."""

BYTES_PER_SYMBOL = 8
"""Room for the text of a symbol in it: English words have 7 to 8 bytes on average."""

# Of this process: with a fixed hash, a list of words that collide was counted 850 times slower.
_SECRET = np.array([secrets.randbits(64)], dtype=np.uint64)


def new_table(room: int, text_size: int) -> SymbolTable:
    """Return an empty table for ``room`` symbols, at least half of its slots free."""
    slots = 4
    while slots < 2 * room:
        slots *= 2
    return SymbolTable(
        slots=np.zeros(2 * slots, dtype=np.uint64),
        starts=np.zeros(room + 1, dtype=np.int64),
        text=np.zeros(text_size, dtype=np.uint8),
        used=np.zeros(2, dtype=np.int64),
        secret=_SECRET,
    )


def symbol_table(vocabulary: Vocabulary) -> SymbolTable:
    """Return the table that finds the id of every symbol but the special tokens."""
    specials = (vocabulary.boundary_id, vocabulary.unk_id)
    encoded = [
        b"" if id in specials else symbol.encode("utf-8")
        for id, symbol in enumerate(vocabulary.symbols)
    ]
    return table_of(encoded)


def table_of(encoded: Sequence[bytes]) -> SymbolTable:
    """Return the table that finds the number of each of these symbols but empty ones."""
    text = b"".join(encoded)
    table = new_table(len(encoded), len(text) + PADDING)
    np.cumsum(list(map(len, encoded)), out=table.starts[1:])
    table.text[: len(text)] = np.frombuffer(text, dtype=np.uint8)
    table.used[:] = len(encoded), len(text)
    with hash_arithmetic():
        words.index_symbols(table)
    return table


def hash_arithmetic() -> AbstractContextManager[Any]:
    """Return a context in which hashes may overflow; without JIT, NumPy would warn."""
    return np.errstate(over="ignore") if JIT_DISABLED else nullcontext()
