"""The suffix array of token ids: all positions, in the order of what follows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from fastlm.engine.tokens import flat_ids
from fastlm.errors import ConfigError
from fastlm_kernels.counts import suffix_sort
from fastlm_kernels.runtime.arguments import Tokens

__all__ = ["MOST_TOKENS", "sort_suffixes"]

MOST_TOKENS = (1 << 31) - 2
"""Tokens of a text whose positions, and their marks, are int32."""

# Elements of a sweep between two looks at Ctrl-C: less than a tenth of a second.
_SLICE = 1 << 21


def sort_suffixes(
    ids: Tokens, vocab: int, advance: Callable[[int], None] = lambda done: None
) -> NDArray[np.int32]:
    """Return the positions of a text, sorted by the tokens that follow; its end is the least.

    Takes 4 bytes of memory a token, 8 for each token of the vocabulary, and at most 4 more a token
    for the buckets of the levels below, of which those of one level are there at a time.

    Parameters
    ----------
    ids : Tokens
        All below ``vocab``.
    vocab : int
    advance : callable
        Is told of the elements that were swept, of about 14 for each token.

    Raises
    ------
    ConfigError
        For a text of more than `MOST_TOKENS` tokens.
    """
    size = len(flat_ids(ids))
    if size > MOST_TOKENS:
        raise ConfigError(
            f"the text has {size:,} tokens, and an index takes at most {MOST_TOKENS:,}; use a part"
        )
    suffixes = np.empty(size, dtype=np.int32)
    _sort(ids, vocab, suffixes, advance)
    return suffixes


def _sort(
    ids: Tokens, vocab: int, suffixes: NDArray[np.int32], advance: Callable[[int], None]
) -> None:
    """Sort the suffixes of a text of any level; a recursion for each halving of the text."""
    size = len(suffixes)
    if size == 0:
        return
    sweeps = _Sweeps(ids, vocab, suffixes, advance)
    count = sweeps.order_leftmost()
    if count:
        reduced, order = suffixes[:count], suffixes[size - count :]
        names = sweeps.name(count)
        if names < count:
            sweeps.forget_buckets()
            _sort(Tokens(reduced.view(np.uint16), 2), names, order, advance)
            sweeps.count_buckets()
        else:
            suffix_sort.invert(order, reduced)
        sweeps.list_places(reduced)
        suffix_sort.take_places(order, reduced)
        suffixes[:count] = order
    suffixes[count:] = suffix_sort.EMPTY
    sweeps.order_all(count)


class _Sweeps:
    """The sweeps over one text and its suffixes, each in slices."""

    def __init__(
        self,
        ids: Tokens,
        vocab: int,
        suffixes: NDArray[np.int32],
        advance: Callable[[int], None],
    ) -> None:
        self._ids, self._suffixes, self._advance = ids, suffixes, advance
        self._size, self._vocab = len(suffixes), vocab
        self.count_buckets()

    def count_buckets(self) -> None:
        """Count how many suffixes begin with each token."""
        self._counts = np.zeros(self._vocab, dtype=np.int32)
        self._heads = np.empty(self._vocab, dtype=np.int32)
        for start, stop in self._slices(self._size):
            suffix_sort.count_buckets(self._counts, *self._ids, start, stop)

    def forget_buckets(self) -> None:
        """Free the memory of the buckets, which may be as many as half of the tokens."""
        self._counts = self._heads = np.empty(0, dtype=np.int32)

    def order_leftmost(self) -> int:
        """Sort the leftmost S by what lies between them, at the end; return how many there are."""
        self._suffixes[:] = suffix_sort.EMPTY
        state = self._state()
        self._set_ends()
        for start, stop in self._slices_back(self._size - 1):
            suffix_sort.place_leftmost(self._suffixes, self._heads, state, *self._ids, start, stop)
        count = int(state[suffix_sort.FOUND])
        if count:
            state[suffix_sort.FOUND] = self._size
            self._induce(state, keeps=0)
        return count

    def order_all(self, count: int) -> None:
        """Sort all suffixes by the leftmost S, which are sorted at the beginning."""
        self._set_ends()
        suffix_sort.spread_leftmost(self._suffixes, self._heads, *self._ids, count)
        self._induce(self._state(), keeps=1)

    def _induce(self, state: NDArray[np.int64], keeps: int) -> None:
        ids, size, suffixes = self._ids, self._size, self._suffixes
        self._set_ends()
        self._heads -= self._counts
        suffix_sort.induce_last(suffixes, self._heads, *ids, size)
        for start, stop in self._slices(size):
            suffix_sort.induce_l(suffixes, self._heads, *ids, keeps, start, stop)
        self._set_ends()
        for start, stop in self._slices_back(size):
            suffix_sort.induce_s(suffixes, self._heads, state, *ids, keeps, start, stop)

    def name(self, count: int) -> int:
        """Write the text of the leftmost S to the beginning; return how many are different."""
        size, suffixes = self._size, self._suffixes
        half = (size >> 1) + 1
        suffixes[: size - count] = 0
        state = self._state()
        state[suffix_sort.BEFORE] = size
        for start, stop in self._slices_back(size - 1):
            suffix_sort.measure_leftmost(suffixes, state, *self._ids, size, start, stop)
        state[suffix_sort.BEFORE] = 0
        for start, stop in self._slices(count):
            suffix_sort.name_leftmost(
                suffixes, state, suffixes[size - count :], *self._ids, size, start, stop
            )
        suffix_sort.gather_names(suffixes, min(half, size - count))
        return int(state[suffix_sort.NAME])

    def list_places(self, places: NDArray[np.int32]) -> None:
        """Write the positions of the leftmost S in the order of the text."""
        state = self._state()
        state[suffix_sort.FOUND] = len(places)
        for start, stop in self._slices_back(self._size - 1):
            suffix_sort.list_leftmost(places, state, *self._ids, start, stop)

    def _set_ends(self) -> None:
        np.cumsum(self._counts, out=self._heads)

    @staticmethod
    def _state() -> NDArray[np.int64]:
        return np.zeros(4, dtype=np.int64)

    def _slices(self, size: int) -> Iterator[tuple[int, int]]:
        for start in range(0, size, _SLICE):
            stop = min(start + _SLICE, size)
            yield start, stop
            self._advance(stop - start)

    def _slices_back(self, size: int) -> Iterator[tuple[int, int]]:
        for stop in range(size, 0, -_SLICE):
            start = max(stop - _SLICE, 0)
            yield start, stop
            self._advance(stop - start)
