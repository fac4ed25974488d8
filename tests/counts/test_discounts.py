from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fastlm.counts.array_memory import ArrayMemory
from fastlm.counts.discounts import counts_of_counts, estimate_discounts, last_ngram
from fastlm.counts.trie import count_ngrams
from tests.counts.texts import DOUBLED, TEXTS, TINY
from tests.naive_counts import documents_of, last_of


def test_the_formula_is_chen_and_goodmans() -> None:
    # Y = 100 / (100 + 2 * 40) = 5 / 9
    expected = 1 - 2 * 5 / 9 * 0.4, 2 - 3 * 5 / 9 * 0.5, 3 - 4 * 5 / 9 * 0.5
    assert estimate_discounts([100, 40, 20, 10]) == pytest.approx(expected)


@pytest.mark.parametrize(
    "counts",
    [[0, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 1], [10, 1, 20, 1], [10, 9, 1, 20]],
    ids=["no 1", "no 2", "no 3", "D2 < 0", "D3 < 0"],
)
def test_some_counts_have_no_discounts(counts: list[int]) -> None:
    assert estimate_discounts(counts) is None


def test_there_may_be_no_count_of_four() -> None:
    assert estimate_discounts([1, 1, 2, 0]) == pytest.approx((1 / 3, 0, 3))


@given(TEXTS, st.integers(1, 4), st.booleans())
@settings(deadline=None, max_examples=100)
@example([2, 2, 1, 2, 2], 3, False)
def test_the_last_n_gram_is_the_oracles(ids: list[int], order: int, ends: bool) -> None:
    boundary = 0 if ends else None
    if ends and not any(ids):
        return  # nothing but ends: KenLM has no such text
    last = last_ngram(np.array(ids), order, 6, boundary)
    expected = last_of(documents_of(ids, boundary), order, boundary)
    assert tuple(last) == tuple(token for token in expected if token != boundary)


@pytest.mark.parametrize(("ids", "first"), [(TINY, [1, 1, 2, 0]), (DOUBLED, [0, 2, 2, 0])])
def test_one_n_gram_of_each_order_goes_by_its_occurrences(ids: list[int], first: list[int]) -> None:
    """c stands after one token only, and occurs twice in ``doubled``."""
    text = np.array(ids, dtype=np.uint16)
    counted = count_ngrams(text, 3, 5, 0, threads=1, memory=ArrayMemory())
    assert counts_of_counts(counted, last_ngram(text, 3, 5, 0))[0] == first
