"""The parts of the sort; tests/search/test_suffix_array.py has all of it."""

from __future__ import annotations

import numpy as np

from fastlm_kernels.counts import suffix_sort

TEXT = [2, 1, 1, 2, 0, 2, 1, 3, 0]
# S where it is less than the next suffix; the end is the least.
LEFTMOST = [1, 4, 6]
IDS = np.array(TEXT, dtype=np.uint16)


def test_leftmost_are_those_after_a_greater_one():
    state = np.zeros(4, dtype=np.int64)
    state[suffix_sort.FOUND] = len(LEFTMOST)
    places = np.zeros(len(LEFTMOST), dtype=np.int32)
    suffix_sort.list_leftmost(places, state, IDS, 1, 0, len(TEXT) - 1)
    assert places.tolist() == LEFTMOST
    greater = [TEXT[i - 1 :] > TEXT[i:] for i in range(1, len(TEXT))]
    less = [TEXT[i:] < TEXT[i + 1 :] for i in range(1, len(TEXT) - 1)]
    assert [
        i for i, (a, b) in enumerate(zip(greater, less, strict=False), 1) if a and b
    ] == LEFTMOST


def test_equal_parts_have_the_same_number():
    text = [1, 0, 2, 0, 2, 0, 1, 3, 0]
    ids, ordered = np.array(text, dtype=np.uint16), np.array([5, 1, 3], dtype=np.int32)
    names, state = np.zeros(5, dtype=np.int32), np.zeros(4, dtype=np.int64)
    state[suffix_sort.BEFORE] = len(text)
    suffix_sort.measure_leftmost(names, state, ids, 1, len(text), 0, len(text) - 1)
    assert names.tolist() == [3, 3, 5, 0, 0]
    state[suffix_sort.BEFORE] = 0
    suffix_sort.name_leftmost(names, state, ordered, ids, 1, len(text), 0, 3)
    assert names.tolist() == [2, 2, 1, 0, 0]
    suffix_sort.gather_names(names, 5)
    assert names[:3].tolist() == [1, 1, 0]
