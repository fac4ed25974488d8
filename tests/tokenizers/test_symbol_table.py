"""The hash table of a vocabulary: every symbol is found, the special tokens are not."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from fastlm.tokenizers import Vocabulary
from fastlm.tokenizers.symbol_table import hash_arithmetic, new_table, symbol_table
from fastlm_kernels.text.words import SymbolTable, index_symbols


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


def collisions(bits: int, number: int) -> list[str]:
    """Words of seven letters whose hashes without a secret end in the same bits."""
    letters = np.random.default_rng(0).integers(97, 123, (number << bits, 8), dtype=np.uint8)
    letters[:, 7] = 7  # the key of a short symbol ends in its size
    keys = np.unique(letters.view(np.uint64).ravel())
    with np.errstate(over="ignore"):
        hashes = mix64(keys.copy())
    found = keys[(hashes & np.uint64((1 << bits) - 1)) == 0]
    return [word[:7].tobytes().decode() for word in found.view(np.uint8).reshape(-1, 8)]


def mix64(x: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1)):
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    return x


def longest_run(table: SymbolTable) -> int:
    """The most slots in a row that are taken: a search looks at no more."""
    free = np.flatnonzero(np.concatenate(([0], table.slots[1::2], [0])) == 0)
    return int(np.diff(free).max()) - 1


@pytest.mark.thorough
def test_words_that_were_chosen_to_collide_do_not() -> None:
    words = collisions(14, 300)
    assert len(words) > 200
    secret = symbol_table(Vocabulary.from_symbols(words))
    assert longest_run(secret) < 40
    known = secret._replace(slots=np.zeros_like(secret.slots), secret=np.zeros(1, dtype=np.uint64))
    with hash_arithmetic():
        index_symbols(known)
    assert longest_run(known) > 200  # as it was for everybody


def test_the_secret_changes_slots_and_no_result() -> None:
    words = [f"word{n}" for n in range(300)] + [f"a much longer word {n}" for n in range(300)]
    table = symbol_table(Vocabulary.from_symbols(words))
    other = table._replace(slots=np.zeros_like(table.slots), secret=table.secret ^ np.uint64(1))
    with hash_arithmetic():
        index_symbols(other)
    assert not np.array_equal(table.slots, other.slots)
    for each in (table, other):
        assert set(each.slots[1::2].tolist()) == {0, *range(3, len(words) + 3)}
