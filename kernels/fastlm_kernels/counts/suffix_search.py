"""Searching sorted suffixes: the longest part of a text that stands at each place of another."""

from __future__ import annotations

import numpy as np

from fastlm_kernels.counts.sorting import token_at
from fastlm_kernels.runtime.jit import inner_kernel, kernel

DAMAGED = np.int64(-2)
"""In place of a length: a position beyond the text."""

SKIPPED = np.int64(-1)
"""In place of a rank: the match lies within the one before it."""


@inner_kernel
def shared_tokens(query, first, most, ids, width, position, size, known):
    """Return how many tokens, at most ``most``, a query shares with a suffix.

    known : tokens that are known to be shared
    """
    shared = known
    most = min(most, size - position)
    while shared < most and query[first + shared] == token_at(ids, width, position + shared):
        shared += 1
    return shared


@inner_kernel
def longest_at(found, query, first, most, ids, width, size, suffixes):
    """Find the suffix that shares most with a query from ``first`` on.

    found : int64[2], the tokens shared, or DAMAGED, and the rank of the suffix
    """
    low, high = np.int64(0), np.int64(len(suffixes))
    at_low, at_high = np.int64(0), np.int64(0)
    found[0], found[1] = np.int64(0), SKIPPED
    while low < high:
        middle = (low + high) // 2
        position = np.int64(suffixes[middle])
        if position >= size:
            found[0] = DAMAGED
            return
        shared = shared_tokens(query, first, most, ids, width, position, size, min(at_low, at_high))
        if shared > found[0]:
            found[0], found[1] = shared, middle
        if shared == most:
            return
        is_less = (
            position + shared == size
            or token_at(ids, width, position + shared) < query[first + shared]
        )
        if is_less:
            low, at_low = middle + 1, shared
        else:
            high, at_high = middle, shared


@kernel
def longest_matches(
    lengths, ranks, found, query, ids, width, size, suffixes, most, start, stop
):  # fmt: skip
    """Find the longest match of a query from each of its tokens on.

    Beyond ``most`` tokens a match is found once, and where it goes on the search leaves out what
    lies within it: a text that repeats itself costs no more than ``most`` tokens for each of its.

    lengths : int64[Q]; ranks : int64[Q], of a suffix that begins with the match, or SKIPPED
    found : int64[2], scratch
    query : int64[Q]; tokens below 0 match nothing
    suffixes : uint32[T], sorted positions
    start, stop : the range of tokens of the query

    Returns
    -------
    int64
        The token to go on with, at least ``stop``; DAMAGED for a position beyond the text.
    """
    i = start
    while i < stop:
        longest_at(
            found, query, i, min(most, len(query) - i), ids, width, size, suffixes
        )  # fmt: skip
        if found[0] == most:
            longest_at(found, query, i, len(query) - i, ids, width, size, suffixes)
        if found[0] == DAMAGED:
            return DAMAGED
        length = found[0]
        lengths[i], ranks[i] = length, found[1]
        inside = max(length - most, np.int64(0))
        for ahead in range(1, inside + 1):
            lengths[i + ahead], ranks[i + ahead] = length - ahead, SKIPPED
        i += 1 + inside
    return i


@kernel
def match_range(bounds, query, first, length, ids, width, size, suffixes):
    """Find the range of the suffixes that begin with ``length`` tokens of a query.

    bounds : int64[2], the first rank and the one after the last; -2 for a position beyond the text
    """
    for side in range(2):
        low, high = np.int64(0), np.int64(len(suffixes))
        while low < high:
            middle = (low + high) // 2
            position = np.int64(suffixes[middle])
            if position >= size:
                bounds[0] = DAMAGED
                return
            shared = shared_tokens(
                query, first, length, ids, width, position, size, np.int64(0)
            )  # fmt: skip
            if shared == length:
                goes_up = side == 1
            else:
                goes_up = (
                    position + shared == size
                    or token_at(ids, width, position + shared) < query[first + shared]
                )
            if goes_up:
                low = middle + 1
            else:
                high = middle
        bounds[side] = low
