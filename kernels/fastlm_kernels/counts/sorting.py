"""Sorting the positions of a text by the tokens that follow: one sort gives n-grams of all orders.

Radix sort from the last token of an n-gram to its first, a token a pass, stable. A pass counts the
tokens of each block, turns the counts into places, and moves the positions there.
"""

from __future__ import annotations

import numpy as np

from fastlm_kernels.runtime.jit import inner_kernel, kernel
from fastlm_kernels.runtime.scheduler import next_tile, tile_done


@inner_kernel
def token_at(ids, width, position):
    """Return a token; ids : uint16[width * T], see ``runtime.arguments.Tokens``."""
    if width == 1:
        return np.int64(ids[position])
    return np.int64(ids[2 * position]) | (np.int64(ids[2 * position + 1]) << 16)


@inner_kernel
def digit_at(ids, width, position, size):
    """Return what a position is sorted by: 0 after the end of the text, else its token + 1."""
    if position >= size:
        return np.int64(0)
    return token_at(ids, width, position) + 1


@kernel
def sort_positions(first, second, places, ids, width, size, order, bounds, phases, worker):
    """Sort positions by the ``order`` tokens that begin there; after the text there is a least one.

    first, second : uint32[T], the positions in ``first``; sorted, they are in ``second`` if
        ``order`` is odd, else in ``first``. The other array is overwritten
    places : int64[blocks, V + 1], scratch
    ids : uint16[width * size], all below V
    bounds : int64[blocks + 1], the first position of each block, then T
    phases : int64[4], of a pass: 0, blocks, blocks + 1, 2 blocks + 1
    """
    blocks = len(bounds) - 1
    a_pass = 2 * blocks + 1
    while True:
        ticket = next_tile(worker, order * a_pass, phases)
        if ticket < 0:
            return
        done = ticket // a_pass
        tile = ticket - done * a_pass
        if done % 2 == 0:
            source, target = first, second
        else:
            source, target = second, first
        ahead = order - 1 - done
        if tile < blocks:
            count_block(
                places[tile], source, ids, width, size, ahead, bounds[tile], bounds[tile + 1]
            )
        elif tile == blocks:
            find_places(places)
        else:
            block = tile - blocks - 1
            move_block(
                target, places[block], source, ids, width, size, ahead, bounds[block],
                bounds[block + 1],
            )  # fmt: skip
        tile_done(worker)


@inner_kernel
def count_block(counts, positions, ids, width, size, ahead, start, stop):
    """Count the digits ``ahead`` tokens after each position of a block."""
    counts[:] = 0
    for i in range(start, stop):
        counts[digit_at(ids, width, np.int64(positions[i]) + ahead, size)] += 1


@inner_kernel
def find_places(places):
    """Turn counts into the place of the first position of each digit and block."""
    place = np.int64(0)
    for digit in range(places.shape[1]):
        for block in range(places.shape[0]):
            count = places[block, digit]
            places[block, digit] = place
            place += count


@inner_kernel
def move_block(target, places, positions, ids, width, size, ahead, start, stop):
    """Move each position of a block to its place."""
    for i in range(start, stop):
        position = np.int64(positions[i])
        digit = digit_at(ids, width, position + ahead, size)
        target[places[digit]] = np.uint32(position)
        places[digit] += 1
