"""Remembered lines: all of a text's, and no other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlm.errors import ModelFileError
from fastlm.model.remembered import HASH_BYTES, Remembered

LINES = st.lists(st.lists(st.integers(1, 5), max_size=5), max_size=12)


def joined(lines, dtype=np.uint16):
    return np.array([id for line in lines for id in [*line, 0]], dtype=dtype)


@given(lines=LINES, other=LINES)
def test_it_holds_the_lines_of_a_text_and_no_others(lines, other):
    for dtype in (np.uint16, np.uint32):
        found = Remembered.of([joined(lines, dtype), joined(other, dtype)[:-1]], [0])
        known = {tuple(line) for line in [*lines, *other] if line}
        assert len(found) == len(known)
        for line in [*lines, *other, [1, 1, 1, 1, 1, 1], [2]]:
            assert found.holds(np.array(line, dtype=dtype)) == (tuple(line) in known)


@given(lines=LINES, other=LINES)
def test_what_is_remembered_later_is_added(lines, other):
    both = Remembered.of([joined(lines)], [0]).with_more(Remembered.of([joined(other)], [0]))
    assert both.hashes.tolist() == Remembered.of([joined(lines + other)], [0]).hashes.tolist()


def test_several_ids_may_end_a_line():
    ids = np.array([1, 0, 2, 9, 3], dtype=np.uint16)
    found = Remembered.of([ids], [0, 9])
    assert len(found) == 3
    assert found.hashes.nbytes == 3 * HASH_BYTES <= 3 * 16


@pytest.mark.parametrize(
    "hashes",
    [
        np.array([2, 1], dtype=np.uint64),
        np.array([1, 1], dtype=np.uint64),
        np.array([1, 2], dtype=np.int64),
        np.zeros((1, 1), dtype=np.uint64),
    ],
)
def test_what_is_no_set_of_hashes_is_refused(hashes):
    with pytest.raises(ModelFileError, match="increasing"):
        Remembered.from_tensor(hashes)
