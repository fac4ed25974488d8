from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm_kernels.counts import suffix_search

TOKENS = st.lists(st.integers(0, 2), min_size=1, max_size=30)


def shared(query: list[int], text: list[int]) -> int:
    for count, (a, b) in enumerate(zip(query, text, strict=False)):
        if a != b:
            return count
    return min(len(query), len(text))


@pytest.mark.parametrize("width", [1, 2])
@given(TOKENS, st.lists(st.integers(-1, 2), max_size=30), st.integers(1, 40), st.integers(1, 40))
@settings(deadline=None, max_examples=60)
def test_matches_are_the_longest(width, text, query, most, step):
    """Those that are left out lie within the one before, and are as long at least as said."""
    size = len(text)
    ids = np.array(text, dtype=np.uint16 if width == 1 else np.uint32).view(np.uint16)
    suffixes = np.array(sorted(range(size), key=lambda i: text[i:]), dtype=np.uint32)
    wanted = np.array(query, dtype=np.int64)
    lengths, ranks, found = np.zeros_like(wanted), np.zeros_like(wanted), np.zeros(2, np.int64)
    at = 0
    while at < len(query):
        at = suffix_search.longest_matches(
            lengths, ranks, found, wanted, ids, width, size, suffixes, most, at,
            min(at + step, len(query)),
        )  # fmt: skip
    bounds = np.zeros(2, dtype=np.int64)
    for first, (length, rank) in enumerate(zip(lengths.tolist(), ranks.tolist(), strict=True)):
        expected = max(shared(query[first:], text[i:]) for i in range(size))
        if rank < 0 and length:
            assert most <= length <= expected
            assert length == lengths[first - 1] - 1
            continue
        assert length == expected
        if length == 0:
            continue
        assert text[suffixes[rank] :][:length] == query[first : first + length]
        suffix_search.match_range(bounds, wanted, first, length, ids, width, size, suffixes)
        begins = [text[i : i + length] == query[first : first + length] for i in suffixes.tolist()]
        assert bounds.tolist() == [begins.index(True), begins.index(True) + sum(begins)]


def test_a_position_beyond_the_text_is_told():
    ids, wanted = np.zeros(3, dtype=np.uint16), np.zeros(2, dtype=np.int64)
    lengths, ranks, found = (np.zeros(2, dtype=np.int64) for _ in range(3))
    wild = np.array([9, 9, 9], dtype=np.uint32)
    done = suffix_search.longest_matches(
        lengths, ranks, found, wanted, ids, 1, 3, wild, 1024, 0, 2
    )  # fmt: skip
    assert done == suffix_search.DAMAGED
    bounds = np.zeros(2, dtype=np.int64)
    suffix_search.match_range(bounds, wanted, 0, 1, ids, 1, 3, wild)
    assert bounds[0] == suffix_search.DAMAGED
