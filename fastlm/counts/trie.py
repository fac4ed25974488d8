"""The counts of all n-grams of a text, as a trie in arrays."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.counts.array_memory import ArrayMemory
from fastlm.counts.backoff_model import token_type
from fastlm.engine.parallel import run_parallel
from fastlm.engine.tokens import flat_ids
from fastlm.errors import ConfigError
from fastlm_kernels.counts import sorting, trie
from fastlm_kernels.runtime.arguments import Tokens

__all__ = ["BLOCK", "CountedTrie", "bounds_of_contexts", "count_ngrams", "run_tiles", "tiles_of"]

BLOCK = 1 << 18
"""Sorted positions, or n-grams, that a thread takes at a time."""

_MOST_TOKENS = (1 << 32) - 2  # positions are uint32
_PLACES = 1 << 23  # elements of the table of the sort: 64 MB
_MOST_SORT_BLOCKS = 64


@dataclass
class CountedTrie:
    """The trie of ``BackoffModel`` with counts in place of probabilities.

    Attributes
    ----------
    tokens, children, suffixes
        As in ``BackoffModel``.
    occurrences : list of uint32[n_k]
        How often each n-gram occurs.
    counts : list of uint32[n_k]
        What Kneser-Ney goes by: for the longest n-grams, and those that begin a document, the
        occurrences; for others the number of tokens that occur before them. ``counts[-1]`` is
        ``occurrences[-1]``.
    """

    tokens: list[NDArray[Any]]
    children: list[NDArray[np.uint32]]
    suffixes: list[NDArray[np.uint32]]
    occurrences: list[NDArray[np.uint32]]
    counts: list[NDArray[np.uint32]]


def tiles_of(size: int, block: int) -> NDArray[np.int64]:
    """Return the bounds of blocks: int64[tiles + 1], from 0 to ``size``."""
    return np.append(np.arange(0, size, block, dtype=np.int64), np.int64(size))


def bounds_of_contexts(children: NDArray[np.uint32]) -> NDArray[np.int64]:
    """Return the first context of each tile, so that tiles have about as many children."""
    contexts = len(children) - 1
    wanted = np.arange(0, int(children[-1]), BLOCK, dtype=np.uint32)
    bounds = np.searchsorted(children[1:], wanted, side="right")
    return np.unique(np.append(bounds, [0, contexts])).astype(np.int64)


def run_tiles(
    threads: int, kernel: Callable[..., Any], *arguments: Any, bounds: NDArray[np.int64]
) -> None:
    """Run a kernel over tiles: its last arguments are their bounds, one phase, and the worker."""
    tiles = len(bounds) - 1
    if tiles == 0:
        return
    phases = np.array([0, tiles], dtype=np.int64)
    run_parallel(
        min(threads, tiles), kernel, lambda _, worker: (*arguments, bounds, phases, worker)
    )


def count_ngrams(
    ids: NDArray[Any],
    order: int,
    vocab: int,
    boundary: int | None,
    *,
    threads: int,
    memory: ArrayMemory,
    block: int = BLOCK,
) -> CountedTrie:
    """Count the n-grams of a text of all orders at once, by sorting its positions.

    Parameters
    ----------
    ids : uint16[T] or uint32[T]
        Token ids below ``vocab``; the boundary token ends each document.
    order : int
        Tokens of the longest n-grams.
    vocab : int
        The number of tokens.
    boundary : int or None
        The id of the boundary token, None if there is none.
    threads : int
    memory : ArrayMemory
        Makes the arrays.
    block : int
        Positions per tile; the result does not depend on it.

    Raises
    ------
    ConfigError
        For an empty text, or one of 2^32 - 2 tokens or more.
    """
    size = len(ids) + (boundary is not None)
    if len(ids) == 0:
        raise ConfigError("the text has no tokens to count; give more text")
    if size > _MOST_TOKENS:
        raise ConfigError(f"the text has {len(ids):,} tokens; counts take at most {_MOST_TOKENS:,}")
    text = _text_to_count(ids, boundary, memory)
    end = -1 if boundary is None else boundary
    sorted_text = _sort(text, order, vocab, end, threads, memory, block)
    counter = _Counter(text, sorted_text, vocab, threads, memory, block)
    counted, beginning = counter.counted, counter.beginning
    del counter, sorted_text, text
    if boundary is not None:
        counted.occurrences[0][boundary] -= 1  # the beginning of the text, which is no token of it
    _count_extensions(counted, boundary, beginning, threads)
    return counted


@dataclass
class _SortedText:
    """The positions of a text in the order of the tokens that begin there.

    Attributes
    ----------
    positions : uint32[T]
    spans, begun
        As ``compare_neighbours`` writes them.
    node_at : uint32[T]
        Room for the n-gram of a level at each position.
    """

    positions: NDArray[np.uint32]
    spans: NDArray[np.uint8]
    begun: NDArray[np.int64]
    node_at: NDArray[np.uint32]


def _text_to_count(ids: NDArray[Any], boundary: int | None, memory: ArrayMemory) -> Tokens:
    """Return the tokens, the beginning of the first document before them."""
    if boundary is None:
        text = ids
    else:
        text = memory.empty(len(ids) + 1, ids.dtype)
        text[0] = boundary
        text[1:] = ids
    return Tokens(text.view(np.uint16), text.dtype.itemsize // 2)


def _sort(
    text: Tokens,
    order: int,
    vocab: int,
    boundary: int,
    threads: int,
    memory: ArrayMemory,
    block: int,
) -> _SortedText:
    """Sort the positions of a text, and compare neighbours."""
    size = len(flat_ids(text))
    first, second = memory.empty(size, np.uint32), memory.empty(size, np.uint32)
    for start in range(0, size, BLOCK):
        stop = min(start + BLOCK, size)
        first[start:stop] = np.arange(start, stop, dtype=np.uint32)
    most = max(1, min(_MOST_SORT_BLOCKS, _PLACES // (vocab + 1)))
    bounds = tiles_of(size, max(block, -(-size // most)))
    tiles = len(bounds) - 1
    phases = np.array([0, tiles, tiles + 1, 2 * tiles + 1], dtype=np.int64)
    places = np.empty((tiles, vocab + 1), dtype=np.int64)
    run_parallel(
        min(threads, tiles),
        sorting.sort_positions,
        lambda _, worker: (first, second, places, *text, size, order, bounds, phases, worker),
    )
    positions, spare = (second, first) if order % 2 else (first, second)
    spans = memory.empty(size, np.uint8)
    bounds = tiles_of(size, block)
    begun = np.empty((len(bounds) - 1, order), dtype=np.int64)
    run_tiles(
        threads, trie.compare_neighbours, spans, begun, positions, *text, size, order, boundary,
        bounds=bounds,
    )  # fmt: skip
    return _SortedText(positions, spans, begun, spare)


class _Counter:
    """Writes level after level; each needs the n-gram of the level before at every position."""

    def __init__(
        self,
        text: Tokens,
        sorted_text: _SortedText,
        vocab: int,
        threads: int,
        memory: ArrayMemory,
        block: int,
    ) -> None:
        self._text, self._sorted, self._threads = text, sorted_text, threads
        self._bounds = tiles_of(len(sorted_text.positions), block)
        begun = sorted_text.begun
        order = begun.shape[1]
        # The first n-gram of each tile and level, then their number.
        self._first = np.zeros((order + 1, len(begun) + 1), dtype=np.int64)
        np.cumsum(begun.T, axis=1, out=self._first[:-1, 1:])
        sizes = [vocab, *map(int, self._first[1:-1, -1])]
        self.counted = CountedTrie(
            tokens=memory.rows(sizes, token_type(vocab)),
            children=memory.rows([size + 1 for size in sizes[:-1]], np.uint32),
            suffixes=memory.rows([0, *sizes[1:]], np.uint32),
            occurrences=memory.rows(sizes, np.uint32),
            counts=memory.rows(sizes[:-1], np.uint32),
        )
        self.beginning: list[int] = []
        """The n-grams of each level that begin the text."""
        for level in range(order):
            self._write(level)

    def _write(self, level: int) -> None:
        counted, found = self.counted, self._sorted
        tokens, counts = counted.tokens[level], counted.occurrences[level]
        inner = level < len(counted.children)
        children = counted.children[level] if inner else np.empty(0, dtype=np.uint32)
        first, first_child = self._first[level, :-1].copy(), self._first[level + 1, :-1].copy()
        if level == 0:
            tokens[:] = np.arange(len(tokens), dtype=tokens.dtype)
        counts[:] = 0
        children[:] = self._first[level + 1, -1]
        open_nodes, open_counts = np.zeros_like(first), np.zeros_like(first)
        run_tiles(
            self._threads, trie.fill_level, tokens.view(np.uint16), tokens.itemsize // 2,
            children, counts, counted.suffixes[level], open_nodes, open_counts, found.node_at,
            found.spans, found.positions, *self._text, level, first, first_child,
            bounds=self._bounds,
        )  # fmt: skip
        if level == 0 and inner:  # a token that does not occur has no children
            children[:] = np.minimum.accumulate(children[::-1])[::-1]
        goes_on = open_counts > 0
        np.add.at(counts, open_nodes[goes_on], open_counts[goes_on].astype(np.uint32))
        run_tiles(
            self._threads, trie.number_positions, found.node_at, found.spans, found.positions,
            *self._text, level, first, bounds=self._bounds,
        )  # fmt: skip
        if level < len(found.positions):
            self.beginning.append(int(found.node_at[0]))


def _count_extensions(
    counted: CountedTrie,
    boundary: int | None,
    beginning: list[int],
    threads: int,
) -> None:
    """Fill ``counts``."""
    last, counts = len(counted.counts), counted.counts
    for each in counts:
        each[:] = 0
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(trie.count_extensions, counts, counted.suffixes[1:]))
    if boundary is None:
        # The beginning of the text stands for a token before its first n-grams.
        for level, node in enumerate(beginning[:last]):
            counts[level][node] += 1
    else:
        start, stop = boundary, boundary + 1
        for level in range(1, last):
            start, stop = (int(counted.children[level - 1][i]) for i in (start, stop))
            counts[level][start:stop] = counted.occurrences[level][start:stop]
    counts.append(counted.occurrences[last])
