"""The trie of the n-grams of a text, level by level, from its sorted positions.

Level k holds the n-grams of k + 1 tokens. An n-gram of a document ends where the document does, so
each position has a depth: the tokens of its longest n-gram. Neighbours in sorted order share a
number of tokens; a position begins a new n-gram of each length from there to its depth.

The tiles are blocks of sorted positions; an n-gram belongs to the block where it begins.
"""

from __future__ import annotations

import numpy as np

from fastlm_kernels.counts.sorting import token_at
from fastlm_kernels.runtime.jit import inner_kernel, kernel
from fastlm_kernels.runtime.scheduler import next_tile, tile_done

# Whose n-gram the sorted positions of a tile belong to.
EARLIER, OWN, NONE = np.int64(0), np.int64(1), np.int64(2)


@inner_kernel
def depth_at(ids, width, position, size, order, boundary):
    """Return the tokens of the longest n-gram at a position.

    A boundary token ends it, unless it is the first: there it stands for a document's beginning.
    """
    end = min(position + order, size)
    for i in range(position + 1, end):
        if token_at(ids, width, i) == boundary:
            return i + 1 - position
    return end - position


@kernel
def compare_neighbours(
    spans, begun, positions, ids, width, size, order, boundary, bounds, phases, worker
):
    """Find the depth of each position and how many tokens it shares with the one sorted before.

    spans : uint8[T], 16 times the shared tokens, and the depth
    begun : int64[tiles, order], the n-grams of each level that begin in each tile
    positions : uint32[T], sorted
    ids : uint16[width * size]
    boundary : the id of the boundary token, or -1
    bounds : int64[tiles + 1]
    """
    while True:
        tile = next_tile(worker, len(bounds) - 1, phases)
        if tile < 0:
            return
        begun[tile, :] = 0
        before = np.int64(0)
        depth_before = np.int64(0)
        if bounds[tile] > 0:
            before = np.int64(positions[bounds[tile] - 1])
            depth_before = depth_at(ids, width, before, size, order, boundary)
        for i in range(bounds[tile], bounds[tile + 1]):
            position = np.int64(positions[i])
            depth = depth_at(ids, width, position, size, order, boundary)
            most = min(depth, depth_before)
            shared = np.int64(0)
            while shared < most and token_at(ids, width, position + shared) == token_at(
                ids, width, before + shared
            ):
                shared += 1
            spans[i] = np.uint8(16 * shared + depth)
            for level in range(shared, depth):
                begun[tile, level] += 1
            before = position
            depth_before = depth
        tile_done(worker)


@kernel
def fill_level(
    tokens, token_width, children, counts, suffixes, open_nodes, open_counts, node_at, spans,
    positions, ids, width, level, first, first_child, bounds, phases, worker,
):  # fmt: skip
    """Write the n-grams of a level, and count them.

    tokens : uint16[token_width * n], the last token of each n-gram
    children : uint32[n + 1], the first child of each n-gram; empty for the last level
    counts : uint32[n], the occurrences in the n-gram's tile
    suffixes : uint32[n], the n-gram without its first token; level 0 writes none
    open_nodes, open_counts : int64[tiles], the n-gram that was begun in an earlier tile and goes on
        in this one, and its occurrences here
    node_at : uint32[size], for each position its n-gram of the level before; level 0 reads none
    first, first_child : int64[tiles], the first n-gram of this level, and of the next, that begins
        in each tile; for level 0 the number of an n-gram is its token
    """
    while True:
        tile = next_tile(worker, len(bounds) - 1, phases)
        if tile < 0:
            return
        start = bounds[tile]
        node = first[tile] - 1
        if level == 0 and start > 0:
            node = token_at(ids, width, np.int64(positions[start - 1]))
        open_nodes[tile] = max(node, np.int64(0))
        open_counts[tile] = 0
        child = first_child[tile]
        owner = EARLIER
        count = np.int64(0)
        for i in range(start, bounds[tile + 1]):
            shared = np.int64(spans[i]) >> 4
            depth = np.int64(spans[i]) & 15
            if shared <= level:
                put_count(counts, open_counts, owner, node, tile, count)
                count = np.int64(0)
                owner = NONE
                if depth > level:
                    owner = OWN
                    position = np.int64(positions[i])
                    token = token_at(ids, width, position + level)
                    if level == 0:
                        node = token
                    else:
                        node += 1
                        suffixes[node] = node_at[position + 1]
                        put_token(tokens, token_width, node, token)
                    if len(children) > 0:
                        children[node] = np.uint32(child)
            if depth > level:
                count += 1
            if shared <= level + 1 and depth > level + 1:
                child += 1
        put_count(counts, open_counts, owner, node, tile, count)
        tile_done(worker)


@inner_kernel
def put_count(counts, open_counts, owner, node, tile, count):
    """Write the occurrences of the n-gram that ends here."""
    if owner == OWN:
        counts[node] = np.uint32(count)
    elif owner == EARLIER:
        open_counts[tile] = count


@inner_kernel
def put_token(tokens, width, node, token):
    """Write the last token of an n-gram; tokens : uint16[width * n]."""
    if width == 1:
        tokens[node] = np.uint16(token)
    else:
        tokens[2 * node] = np.uint16(token & 0xFFFF)
        tokens[2 * node + 1] = np.uint16(token >> 16)


@kernel
def number_positions(node_at, spans, positions, ids, width, level, first, bounds, phases, worker):
    """Write the n-gram of a level that begins at each position, where there is one.

    node_at : uint32[size]; the other arguments as for ``fill_level``
    """
    while True:
        tile = next_tile(worker, len(bounds) - 1, phases)
        if tile < 0:
            return
        node = first[tile] - 1
        for i in range(bounds[tile], bounds[tile + 1]):
            position = np.int64(positions[i])
            if np.int64(spans[i]) & 15 > level:
                if level == 0:
                    node = token_at(ids, width, position)
                elif np.int64(spans[i]) >> 4 <= level:
                    node += 1
                node_at[position] = np.uint32(node)
        tile_done(worker)


@kernel
def count_extensions(counts, suffixes):
    """Count the n-grams that are a token longer to the left.

    counts : uint32[n], added to
    suffixes : uint32[m], of the level above
    """
    for i in range(len(suffixes)):
        counts[suffixes[i]] += np.uint32(1)


@kernel
def find_children(nodes, wanted, children, tokens, token_width):
    """Replace each n-gram by its child with a token, or by -1 if it has none.

    nodes : int64[n], in a level; -1 stays
    wanted : int32[n], the tokens
    children : uint32[m + 1], of the level
    tokens : uint16[token_width * k], of the next level
    """
    for i in range(len(nodes)):
        node = nodes[i]
        if node < 0:
            continue
        low, high = np.int64(children[node]), np.int64(children[node + 1])
        stop = high
        while low < high:
            middle = (low + high) // 2
            if token_at(tokens, token_width, middle) < wanted[i]:
                low = middle + 1
            else:
                high = middle
        found = low < stop and token_at(tokens, token_width, low) == wanted[i]
        nodes[i] = low if found else np.int64(-1)
