"""The hash table of a vocabulary: every symbol is found, the special tokens are not."""

from __future__ import annotations

import warnings

import numpy as np

from fastlm.tokenizers import Vocabulary
from fastlm.tokenizers.symbol_table import hash_arithmetic, new_table, symbol_table


def test_the_symbols_stand_one_after_the_other() -> None:
    vocabulary = Vocabulary.from_symbols(["the", "é", "第三"])
    table = symbol_table(vocabulary)
    assert table.used.tolist() == [5, 11]
    assert table.text[:11].tobytes().decode() == "theé第三"
    # The special tokens have ids, and no text by which they could be found.
    assert table.starts.tolist() == [0, 0, 0, 3, 5, 11]


def test_at_least_half_of_the_slots_are_free() -> None:
    for room in (1, 2, 3, 1000):
        table = new_table(room, 8)
        slots = table.slots.size // 2
        assert slots >= 2 * room
        assert slots & (slots - 1) == 0
        assert table.starts.size == room + 1


def test_hashes_may_overflow() -> None:
    with warnings.catch_warnings(), hash_arithmetic():
        warnings.simplefilter("error")
        _ = np.array([2**63], dtype=np.uint64) * np.uint64(3)
