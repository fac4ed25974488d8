"""The kernels of the trie one by one; together they are tested in ``tests/counts/test_trie.py``."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.counts.trie import run_tiles, tiles_of
from fastlm_kernels.counts.trie import (
    compare_neighbours,
    count_extensions,
    fill_level,
    find_children,
    number_positions,
)

# A document of two tokens, then one of one: | 1 2 | 1 |, and the order of its positions by three.
TEXT = np.array([0, 1, 2, 0, 1, 0], dtype=np.uint16)
SORTED = np.array([5, 4, 0, 3, 1, 2], dtype=np.uint32)
SORTED[:3] = [5, 3, 0]
SORTED[3:] = [4, 1, 2]


def compared(block: int) -> tuple[np.ndarray, np.ndarray]:
    bounds = tiles_of(6, block)
    spans = np.zeros(6, dtype=np.uint8)
    begun = np.zeros((len(bounds) - 1, 3), dtype=np.int64)
    run_tiles(1, compare_neighbours, spans, begun, SORTED, TEXT, 1, 6, 3, 0, bounds=bounds)
    return spans, begun


def test_neighbours_share_tokens_up_to_the_end_of_a_document() -> None:
    spans, begun = compared(4)
    # 0 | 0 1 0 | 0 1 2 | 1 0 | 1 2 0 | 2 0
    assert (spans & 15).tolist() == [1, 3, 3, 2, 3, 2]
    assert (spans >> 4).tolist() == [0, 1, 2, 0, 1, 0]
    assert begun.tolist() == [[2, 2, 2], [1, 2, 1]]


def test_a_level_is_written_from_every_tile() -> None:
    for block in (1, 2, 3, 6):
        spans, begun = compared(block)
        bounds = tiles_of(6, block)
        first = np.cumsum(begun, axis=0) - begun
        node_at = TEXT.astype(np.uint32)
        tokens, suffixes = np.zeros(4, dtype=np.uint16), np.zeros(4, dtype=np.uint32)
        children, counts = np.full(5, 3, dtype=np.uint32), np.zeros(4, dtype=np.uint32)
        nodes, more = np.zeros(len(begun), dtype=np.int64), np.zeros(len(begun), dtype=np.int64)
        arrays = tokens, 1, children, counts, suffixes, nodes, more, node_at, spans, SORTED
        starts = first[:, 1].copy(), first[:, 2].copy()
        run_tiles(1, fill_level, *arrays, TEXT, 1, 1, *starts, bounds=bounds)
        for node, count in zip(nodes, more, strict=True):
            counts[node] += np.uint32(count)
        # 0 1 | 1 0 | 1 2 | 2 0
        assert tokens.tolist() == [1, 0, 2, 0]
        assert suffixes.tolist() == [1, 0, 2, 0]
        assert children.tolist() == [0, 2, 2, 3, 3]
        assert counts.tolist() == [2, 1, 1, 1]
        run_tiles(1, number_positions, node_at, spans, SORTED, TEXT, 1, 1, starts[0], bounds=bounds)
        assert node_at[:5].tolist() == [0, 2, 3, 0, 1]


def test_extensions_are_counted() -> None:
    counts = np.ones(3, dtype=np.uint32)
    count_extensions(counts, np.array([2, 0, 2], dtype=np.uint32))
    assert counts.tolist() == [2, 1, 3]


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
def test_children_are_found(dtype: type) -> None:
    """One n-gram with three children, one without, one with one; a missing one stays missing."""
    tokens = np.array([1, 4, 70_000 if dtype is np.uint32 else 9, 4], dtype=dtype)
    children = np.array([0, 3, 3, 4], dtype=np.uint32)
    nodes = np.array([0, 0, 0, 0, 1, 2, 2, -1], dtype=np.int64)
    wanted = np.array([1, 4, tokens[2], 5, 4, 4, 1, 4], dtype=np.int32)
    find_children(nodes, wanted, children, tokens.view(np.uint16), tokens.itemsize // 2)
    assert nodes.tolist() == [0, 1, 2, -1, -1, 3, -1, -1]
