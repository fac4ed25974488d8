from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.counts.trie import tiles_of
from fastlm.engine.parallel import run_parallel
from fastlm_kernels.counts.sorting import sort_positions


@pytest.mark.parametrize("width", [1, 2])
@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=50),
    st.integers(1, 6),
    st.integers(1, 60),
    st.integers(1, 3),
)
@settings(deadline=None, max_examples=30)
def test_positions_are_sorted_by_what_follows(
    width: int, text: list[int], order: int, block: int, threads: int
) -> None:
    """The end of the text comes before all tokens; equal ones stay in order."""
    size = len(text)
    ids = np.array(text, dtype=np.uint16 if width == 1 else np.uint32).view(np.uint16)
    first, second = np.arange(size, dtype=np.uint32), np.zeros(size, dtype=np.uint32)
    bounds = tiles_of(size, block)
    tiles = len(bounds) - 1
    phases = np.array([0, tiles, tiles + 1, 2 * tiles + 1], dtype=np.int64)
    places = np.empty((tiles, 5), dtype=np.int64)
    run_parallel(
        threads,
        sort_positions,
        lambda _, worker: (
            first, second, places, ids, width, size, order, bounds, phases, worker,
        ),
    )  # fmt: skip
    expected = sorted(range(size), key=lambda i: text[i : i + order])
    assert (second if order % 2 else first).tolist() == expected
