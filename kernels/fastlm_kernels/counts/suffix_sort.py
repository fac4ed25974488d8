"""Suffix sorting: all positions of a text in the order of what follows, however far it is equal.

Induced sorting (Nong, Zhang and Chan 2009, "Linear suffix array construction by almost pure
induced-sorting"), in time and memory that grow with the text alone, repetitive or not.

A suffix is of type S if it is less than the one after it, else of type L; the last one is L, since
the end of the text is less than all tokens. An S whose predecessor is L is a leftmost S. From the
order of the leftmost S follows that of all L, in a sweep from the least on, and from these that of
all S, in a sweep back. Leftmost S are sorted by what lies between them, which is a text of its own
if it is not all different: at most half as long, to be sorted in the same way.

A bucket is the place of all suffixes with the same first token. All sweeps can be cut anywhere, so
that a caller can be interrupted.

suffixes : int32[T]; EMPTY where nothing is, ~p for a suffix p from which a sweep induces nothing
"""

from __future__ import annotations

import numpy as np

from fastlm_kernels.counts.sorting import token_at
from fastlm_kernels.runtime.jit import kernel

EMPTY = np.int32(-(2**31))
"""No suffix; the complement of no position of a text of at most 2^31 - 2 tokens."""

# Elements of the state that goes from call to call.
S_AFTER, FOUND, NAME, BEFORE = range(4)


@kernel
def count_buckets(counts, ids, width, start, stop):
    """Count tokens; counts : int32[V], added to."""
    for i in range(start, stop):
        counts[token_at(ids, width, i)] += 1


@kernel
def place_leftmost(suffixes, ends, state, ids, width, start, stop):
    """Put each leftmost S at the end of its bucket, in any order; from the last position on.

    ends : int32[V], where each bucket ends; lowered
    state : int64[4]; S_AFTER: whether the suffix ``stop`` is S, FOUND: how many were found
    start, stop : the range of positions, stop at most T - 1
    """
    is_s = state[S_AFTER] != 0
    after = token_at(ids, width, stop)
    for i in range(stop - 1, start - 1, -1):
        token = token_at(ids, width, i)
        was_s = is_s
        is_s = token < after or (token == after and was_s)
        if was_s and not is_s:
            ends[after] -= 1
            suffixes[ends[after]] = np.int32(i + 1)
            state[FOUND] += 1
        after = token
    state[S_AFTER] = is_s


@kernel
def list_leftmost(places, state, ids, width, start, stop):
    """Write the positions of all leftmost S in the order of the text, from the last on.

    places : int32[m]; state[FOUND] counts down from m
    """
    is_s = state[S_AFTER] != 0
    after = token_at(ids, width, stop)
    for i in range(stop - 1, start - 1, -1):
        token = token_at(ids, width, i)
        was_s = is_s
        is_s = token < after or (token == after and was_s)
        if was_s and not is_s:
            state[FOUND] -= 1
            places[state[FOUND]] = np.int32(i + 1)
        after = token
    state[S_AFTER] = is_s


@kernel
def induce_last(suffixes, starts, ids, width, size):
    """Put the last suffix, which is L, at the start of its bucket."""
    last = size - 1
    token = token_at(ids, width, last)
    marked = last == 0 or token_at(ids, width, last - 1) < token
    suffixes[starts[token]] = np.int32(~last if marked else last)
    starts[token] += 1


@kernel
def induce_l(suffixes, starts, ids, width, keeps, start, stop):
    """Put the L before each suffix into its bucket, from the least suffix on.

    starts : int32[V], where the next L of each bucket goes; raised
    keeps : 1: suffixes stay; 0: those that have induced their predecessor are removed
    start, stop : the range of ranks
    """
    for rank in range(start, stop):
        suffix = np.int64(suffixes[rank])
        if suffix < 0:
            if suffix != EMPTY:
                suffixes[rank] = np.int32(~suffix)  # the other sweep may induce an S
            continue
        before = suffix - 1
        token = token_at(ids, width, before)
        marked = before == 0 or token_at(ids, width, before - 1) < token
        suffixes[starts[token]] = np.int32(~before if marked else before)
        starts[token] += 1
        suffixes[rank] = np.int32(~suffix) if keeps else EMPTY


@kernel
def induce_s(suffixes, ends, state, ids, width, keeps, start, stop):
    """Put the S before each suffix into its bucket, from the greatest suffix on.

    ends : int32[V], before which the next S of each bucket goes; lowered
    state : int64[4]; without ``keeps``, the leftmost S are gathered in order at the end of
        ``suffixes``, and FOUND counts down from T
    """
    for rank in range(stop - 1, start - 1, -1):
        suffix = np.int64(suffixes[rank])
        if suffix < 0:
            if keeps:
                suffixes[rank] = np.int32(~suffix)
            elif suffix != EMPTY and suffix != -1:
                state[FOUND] -= 1
                suffixes[state[FOUND]] = np.int32(~suffix)
            continue
        if suffix == 0:
            continue
        before = suffix - 1
        token = token_at(ids, width, before)
        marked = before == 0 or token_at(ids, width, before - 1) > token
        ends[token] -= 1
        suffixes[ends[token]] = np.int32(~before if marked else before)


@kernel
def measure_leftmost(lengths, state, ids, width, size, start, stop):
    """Write for each leftmost S at p the tokens up to the next one, that one's first included.

    lengths : int32[T / 2 + 1], at p / 2; zero elsewhere
    state : int64[4]; BEFORE: the last one that was found, T to begin with
    """
    is_s = state[S_AFTER] != 0
    after = token_at(ids, width, stop)
    for i in range(stop - 1, start - 1, -1):
        token = token_at(ids, width, i)
        was_s = is_s
        is_s = token < after or (token == after and was_s)
        if was_s and not is_s:
            lengths[(i + 1) >> 1] = np.int32(state[BEFORE] - i)
            state[BEFORE] = i + 1
        after = token
    state[S_AFTER] = is_s


@kernel
def name_leftmost(names, state, ordered, ids, width, size, start, stop):
    """Give each leftmost S a number: the same where all up to the next one is equal.

    names : int32[T / 2 + 1], their lengths, which become numbers from 1
    state : int64[4]; NAME: the last number
    ordered : int32[m], sorted by these parts
    """
    for i in range(start, stop):
        here = np.int64(ordered[i])
        length = np.int64(names[here >> 1])
        same = i > 0 and length == state[BEFORE]
        if same:
            other = np.int64(ordered[i - 1])
            same = here + length <= size and other + length <= size
            ahead = np.int64(0)
            while same and ahead < length:
                same = token_at(ids, width, here + ahead) == token_at(ids, width, other + ahead)
                ahead += 1
        if not same:
            state[NAME] += 1
        state[BEFORE] = length
        names[here >> 1] = np.int32(state[NAME])


@kernel
def gather_names(suffixes, stop):
    """Move the numbers before ``stop`` to the beginning, less 1: the text of the leftmost S."""
    found = np.int64(0)
    for i in range(stop):
        if suffixes[i] > 0:
            suffixes[found] = np.int32(suffixes[i] - 1)
            found += 1


@kernel
def invert(order, names):
    """Write the order of numbers that are all different."""
    for i in range(len(names)):
        order[names[i]] = np.int32(i)


@kernel
def take_places(order, places):
    """Replace the numbers of leftmost S by their positions."""
    for i in range(len(order)):
        order[i] = places[order[i]]


@kernel
def spread_leftmost(suffixes, ends, ids, width, count):
    """Move the sorted leftmost S from the beginning to the ends of their buckets."""
    for i in range(count - 1, -1, -1):
        suffix = suffixes[i]
        suffixes[i] = EMPTY
        token = token_at(ids, width, np.int64(suffix))
        ends[token] -= 1
        suffixes[ends[token]] = suffix
