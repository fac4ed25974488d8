"""Queries of a back-off model: losses of positions, the node of a context, its distribution.

The n-grams are a trie: level k holds those of k + 1 tokens, sorted, so that the children of a node
lie together. The state of a walk over a text is the node of its longest context: the longest end of
what came before, of fewer than ``order`` tokens, that is in the trie. A token is looked up among
the node's children, and where it is none of them, among those of the node's suffix (the context
without its oldest token), at the price of the node's back-off weight.

A lookup waits for memory, so a thread walks over LANES stretches of text in turn, a step of each,
and asks for the memory of a stretch's next step in advance. Source of the idea: group prefetching
(Chen et al. 2004).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fastlm_kernels.runtime.jit import JIT_DISABLED, exact_kernel, inner_kernel
from fastlm_kernels.runtime.scheduler import next_tile, tile_done

LANES = 16
"""Stretches of text that a thread walks over in turn."""

# Columns of CountTables.levels: where a level begins in each array.
NODES, CHILDREN, BACKOFFS, SUFFIXES = range(4)

# Columns of the integers of a lane.
POSITION, STOP, COUNTED, LEVEL, NODE, LOW, HIGH, PHASE, IS_NEW = range(9)
LANE_SIZE = 16

# What the next step of a lane does.
OPEN, SEARCH, TAKE, DONE = range(4)

_SHORT = 16  # children that are searched at once: one or two cache lines

SHARES = 4
"""Classes of a context by the share of the probability that its back-off gives away."""


class CountTables(NamedTuple):
    """The arrays of a back-off model, one level after the other.

    tokens : uint16[width * G], last token of each of the G n-grams; width 2: low half first
    children : uint32[...], for each n-gram of a level but the last where its children begin in the
        next level; one more at the end of the level
    log_probs : float32[G], ln p(last token | tokens before)
    log_backoffs : float32[...], of all levels but the last
    suffixes : uint32[...], of all levels but the first: the n-gram without its first token, in the
        level before
    levels : int64[order, 4], see NODES to SUFFIXES
    boundary : id of the boundary token, or -1
    """

    tokens: np.ndarray
    width: int
    children: np.ndarray
    log_probs: np.ndarray
    log_backoffs: np.ndarray
    suffixes: np.ndarray
    levels: np.ndarray
    order: int
    boundary: int


if JIT_DISABLED:

    def prefetch(array, index):
        pass

else:

    @intrinsic
    def prefetch(typing_context, array, index):
        """Ask for the memory of array[index], without waiting for it."""

        def codegen(context, builder, signature, arguments):
            data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
            byte, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
            function = cgutils.get_or_insert_function(
                builder.module, ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag]),
                "llvm.prefetch.p0",
            )  # fmt: skip
            pointer = builder.bitcast(builder.gep(data, [arguments[1]]), byte)
            builder.call(function, [pointer, flag(0), flag(3), flag(1)])
            return context.get_dummy_value()

        return types.void(array, types.int64), codegen


@inner_kernel
def node_token(tables, at):
    """Return the last token of n-gram ``at`` of all, as int64."""
    if tables.width == 1:
        return np.int64(tables.tokens[at])
    return np.int64(tables.tokens[2 * at]) | (np.int64(tables.tokens[2 * at + 1]) << 16)


@inner_kernel
def children_of(tables, level, node):
    """Return (low, high): the node's children in the next level; none for level -1."""
    if level < 0:
        return np.int64(0), np.int64(0)
    at = tables.levels[level, CHILDREN] + node
    return np.int64(tables.children[at]), np.int64(tables.children[at + 1])


@inner_kernel
def suffix_of(tables, level, node):
    """Return the node without its first token, one level lower; 0 for what has none."""
    if level <= 0:
        return np.int64(0)
    return np.int64(tables.suffixes[tables.levels[level, SUFFIXES] + node])


@inner_kernel
def backoff_of(tables, level, node):
    """Return the log-backoff of a context as float64."""
    if level < 0:
        return 0.0
    return np.float64(tables.log_backoffs[tables.levels[level, BACKOFFS] + node])


@inner_kernel
def search(tables, level, low, high, token):
    """Return the node of a level among low .. high - 1 whose last token this is, or -1."""
    first = tables.levels[level, NODES]
    size = high - low
    while size > 1:
        half = size >> 1
        low += half if node_token(tables, first + low + half) <= token else np.int64(0)
        size -= half
    if size == 1 and node_token(tables, first + low) == token:
        return low
    return np.int64(-1)


@inner_kernel
def settle(tables, level, node):
    """Return (level, node) of the longest context at a node that says anything.

    N-grams of the highest order are no contexts; those without children cost nothing to leave.
    """
    while level >= 0:
        if level < tables.order - 1:
            low, high = children_of(tables, level, node)
            if low < high or backoff_of(tables, level, node) != 0.0:
                break
        node = suffix_of(tables, level, node)
        level -= 1
    return level, node


@inner_kernel
def context_bucket(level, backoff):
    """Return the class of a context: by its order, then by what its back-off gives away.

    The shares are less than 1/4, 1/2, 3/4, and up to 1 of the probability.
    """
    share = min(np.int64(np.float64(SHARES) * math.exp(backoff)), np.int64(SHARES - 1))
    return np.int64(SHARES) * (level + 1) + share


@inner_kernel
def step(tables, level, node, token):
    """Return (ln p(token | context), level, node), the latter of the context after it."""
    total = 0.0
    child = np.int64(-1)
    while level >= 0:
        low, high = children_of(tables, level, node)
        child = search(tables, level + 1, low, high, token)
        if child >= 0:
            break
        total += backoff_of(tables, level, node)
        node = suffix_of(tables, level, node)
        level -= 1
    level += 1
    node = token if level == 0 else child
    total += np.float64(tables.log_probs[tables.levels[level, NODES] + node])
    if token == tables.boundary:
        level = np.int64(0)
        node = token
    level, node = settle(tables, level, node)
    return total, level, node


@inner_kernel
def enter(tables, lane, level, node):
    """Go to a context, and ask for what it says."""
    lane[LEVEL] = level
    lane[NODE] = node
    lane[PHASE] = OPEN
    if level >= 0:
        prefetch(tables.children, tables.levels[level, CHILDREN] + node)
        prefetch(tables.log_backoffs, tables.levels[level, BACKOFFS] + node)
        if level > 0:
            prefetch(tables.suffixes, tables.levels[level, SUFFIXES] + node)


@inner_kernel
def open_context(buckets, tables, lane, ids, first):
    """Begin to look a token up among the children of a lane's context."""
    level, node, position = lane[LEVEL], lane[NODE], lane[POSITION]
    low, high = children_of(tables, level, node)
    if lane[IS_NEW] != 0:
        backoff = backoff_of(tables, level, node)
        if level >= 0 and low == high and backoff == 0.0:
            enter(tables, lane, level - 1, suffix_of(tables, level, node))
            return
        lane[IS_NEW] = 0
        if position >= lane[COUNTED]:
            buckets[position - first] = context_bucket(level, backoff)
    if level < 0:
        low = np.int64(ids[position])
        high = low + 1
    lane[LOW] = low
    lane[HIGH] = high
    lane[PHASE] = SEARCH
    middle = tables.levels[level + 1, NODES] + ((low + high) >> 1)
    prefetch(tables.tokens, tables.width * middle)


@inner_kernel
def search_more(tables, lane, sums, number, ids):
    """Halve the children that may be the token; look at the last ones, and back off or take one."""
    level, low, high = lane[LEVEL] + 1, lane[LOW], lane[HIGH]
    token = np.int64(ids[lane[POSITION]])
    start = tables.levels[level, NODES]
    if high - low > _SHORT:
        middle = (low + high) >> 1
        if node_token(tables, start + middle) <= token:
            low = middle
        else:
            high = middle
        lane[LOW] = low
        lane[HIGH] = high
        prefetch(tables.tokens, tables.width * (start + ((low + high) >> 1)))
        return
    child = search(tables, level, low, high, token)
    if child < 0:
        level -= 1
        sums[number] += backoff_of(tables, level, lane[NODE])
        enter(tables, lane, level - 1, suffix_of(tables, level, lane[NODE]))
        return
    prefetch(tables.log_probs, start + child)
    if level == tables.order - 1 and level > 0:
        prefetch(tables.suffixes, tables.levels[level, SUFFIXES] + child)
    lane[LEVEL] = level
    lane[NODE] = child
    lane[PHASE] = TAKE


@inner_kernel
def take(losses, tables, lane, sums, number, ids, first):
    """Take the n-gram that was found; go to the context after it."""
    level, node, position = lane[LEVEL], lane[NODE], lane[POSITION]
    if position >= lane[COUNTED]:
        log_prob = np.float64(tables.log_probs[tables.levels[level, NODES] + node])
        losses[position - first] = -(sums[number] + log_prob)
    sums[number] = 0.0
    token = np.int64(ids[position])
    if token == tables.boundary:
        level = np.int64(0)
        node = token
    if level == tables.order - 1:
        node = suffix_of(tables, level, node)
        level -= 1
    lane[POSITION] = position + 1
    lane[IS_NEW] = 1
    if position + 1 >= lane[STOP]:
        lane[PHASE] = DONE
    else:
        enter(tables, lane, level, node)


@exact_kernel
def count_losses(losses, buckets, lanes, sums, worker, ids, tables, phases, first, tile):
    """Compute -ln p(ids[first + i] | the ids before it) for every element i of ``losses``.

    losses : float64[n], written, in nats
    buckets : uint8[n], written: the class of each position's context (``context_bucket``)
    lanes : int64[LANES, LANE_SIZE], sums : float64[LANES], memory of this thread
    worker : Worker, with the same shared counters for all threads of the call
    ids : int32[T], a text from its start, or from at least order - 1 ids before ``first`` on
    phases : int64[2]: 0, and the number of tiles of ``tile`` positions
    tile : positions of a tile, a multiple of LANES
    """
    length = tile // LANES
    while True:
        ticket = next_tile(worker, phases[1], phases)
        if ticket < 0:
            return
        begin = first + ticket * tile
        end = first + min(losses.size, (ticket + 1) * tile)
        for number in range(LANES):
            lane = lanes[number]
            sums[number] = 0.0
            lane[COUNTED] = begin + number * length
            lane[STOP] = min(begin + (number + 1) * length, end)
            # The order - 1 tokens before decide the context.
            lane[POSITION] = max(lane[COUNTED] - tables.order + 1, np.int64(0))
            lane[IS_NEW] = 1
            if lane[POSITION] == 0 and tables.boundary >= 0 and tables.order > 1:
                enter(tables, lane, np.int64(0), tables.boundary)
            else:
                enter(tables, lane, np.int64(-1), np.int64(0))
            if lane[COUNTED] >= lane[STOP]:
                lane[PHASE] = DONE
        left = np.int64(1)
        while left > 0:
            left = np.int64(0)
            for number in range(LANES):
                lane = lanes[number]
                phase = lane[PHASE]
                if phase == OPEN:
                    open_context(buckets, tables, lane, ids, first)
                elif phase == SEARCH:
                    search_more(tables, lane, sums, number, ids)
                elif phase == TAKE:
                    take(losses, tables, lane, sums, number, ids, first)
                left += phase != DONE
        tile_done(worker)


@exact_kernel
def walk(state, log_probs, ids, tables):
    """Walk over tokens one by one from a context.

    state : int64[2], level and node of the context; changed. (0, boundary) at the start of a
        document, (-1, 0) for no context
    log_probs : float64[n], written: ln p of each token
    ids : int32[n]
    """
    level, node = settle(tables, state[0], state[1])
    for i in range(ids.size):
        log_probs[i], level, node = step(tables, level, node, np.int64(ids[i]))
    state[0] = level
    state[1] = node


@inner_kernel
def advance(state, tables, token):
    """Move the state int64[2] of a walk over one token; there may be no counts."""
    if tables.order > 0:
        _, state[0], state[1] = step(tables, state[0], state[1], token)


@inner_kernel
def fill_probabilities(p, state, tables):
    """Compute p(token | context) of all tokens, float64[V], from the state of ``walk``.

    The shorter contexts come first, and each replaces what it knows.
    """
    for j in range(p.size):
        p[j] = math.exp(np.float64(tables.log_probs[j]))
    for depth in range(state[0] + 1):
        level, node = state[0], state[1]
        while level > depth:
            node = suffix_of(tables, level, node)
            level -= 1
        weight = math.exp(backoff_of(tables, level, node))
        for j in range(p.size):
            p[j] *= weight
        low, high = children_of(tables, level, node)
        start = tables.levels[level + 1, NODES]
        for child in range(low, high):
            token = node_token(tables, start + child)
            p[token] = math.exp(np.float64(tables.log_probs[start + child]))


@inner_kernel
def state_bucket(state, tables):
    """Return the class of the context of a walk's state; 0 without counts."""
    if tables.order == 0:
        return np.int64(0)
    return context_bucket(state[0], backoff_of(tables, state[0], state[1]))


@exact_kernel
def bucket_of_state(bucket, state, tables):
    """Set bucket[0], int64, to the class of the context of a walk's state."""
    bucket[0] = state_bucket(state, tables)


@exact_kernel
def distribution(p, state, tables):
    """Compute p(token | context) of all tokens, float64[V]; see ``fill_probabilities``."""
    fill_probabilities(p, state, tables)
