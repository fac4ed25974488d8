"""The border to the kernels that query a back-off model: ids in, losses and distributions out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.engine.parallel import run_parallel
from fastlm.engine.tokens import flat_ids
from fastlm_kernels.counts import queries
from fastlm_kernels.counts.queries import LANE_SIZE, LANES, SHARES, CountTables
from fastlm_kernels.runtime.arguments import Tokens
from fastlm_kernels.runtime.scheduler import Worker

__all__ = [
    "NO_COUNTS",
    "bucket_count",
    "context_bucket",
    "context_distribution",
    "context_state",
    "count_losses",
]

_LANE = 512  # positions of a lane: order - 1 more before them are a small part
_SHORT_LANE = 32
_TILES_PER_THREAD = 2  # of 8,192 positions, 1.6 ms each


NO_COUNTS = CountTables(
    tokens=np.empty(0, dtype=np.uint16),
    width=1,
    children=np.empty(0, dtype=np.uint32),
    log_probs=np.empty(0, dtype=np.float32),
    log_backoffs=np.empty(0, dtype=np.float32),
    suffixes=np.empty(0, dtype=np.uint32),
    levels=np.zeros((1, 4), dtype=np.int64),
    order=0,
    boundary=-1,
)
"""In place of a model where there is none."""


def bucket_count(order: int) -> int:
    """Return the number of classes of contexts of a model of this order."""
    return SHARES * order


def count_losses(
    tables: CountTables, tokens: Tokens, first: int, stop: int, threads: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Return -ln p(token | its context) in nats, and the class of each context.

    The result is the same for any number of threads, and wherever a token and its context lie.

    Parameters
    ----------
    tables : CountTables
    tokens : Tokens
        The token array, see ``token_array``.
    first, stop : int
        The positions first <= t < stop.
    threads : int
        At most this many threads.

    Returns
    -------
    float64[stop - first], uint8[stop - first]
    """
    size = stop - first
    losses = np.empty(size, dtype=np.float64)
    buckets = np.empty(size, dtype=np.uint8)
    # The start of the array is the start of a text, any other place is not.
    before = max(0, first - tables.order)
    ids = flat_ids(tokens)[before:stop].astype(np.int32)
    lane = max(_SHORT_LANE, min(_LANE, -(-size // LANES)))
    tiles = -(-size // (LANES * lane))
    phases = np.array([0, tiles], dtype=np.int64)

    def arguments(_: int, worker: Worker) -> tuple[Any, ...]:
        lanes = np.zeros((LANES, LANE_SIZE), dtype=np.int64)
        return (
            losses, buckets, lanes, np.zeros(LANES), worker, ids, tables, phases, first - before,
            LANES * lane,
        )  # fmt: skip

    run_parallel(max(1, min(threads, tiles // _TILES_PER_THREAD)), queries.count_losses, arguments)
    return losses, buckets


def context_state(tables: CountTables, ids: NDArray[np.int32]) -> NDArray[np.int64]:
    """Return the state int64[2] of a walk after ``ids``, which begin a document."""
    knows_start = tables.boundary >= 0 and tables.order > 1
    state = np.array([0, tables.boundary] if knows_start else [-1, 0], dtype=np.int64)
    ids = np.ascontiguousarray(ids[-tables.order :], dtype=np.int32)
    queries.walk(state, np.empty(ids.size), ids, tables)
    return state


def context_bucket(tables: CountTables, state: NDArray[np.int64]) -> int:
    """Return the class of the context of a walk's state."""
    bucket = np.empty(1, dtype=np.int64)
    queries.bucket_of_state(bucket, state, tables)
    return int(bucket[0])


def context_distribution(tables: CountTables, state: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return p(token | context) of all tokens, float64[V], from the state of a walk."""
    vocab = int(tables.levels[1, queries.NODES]) if tables.order > 1 else tables.log_probs.size
    p = np.empty(vocab, dtype=np.float64)
    queries.distribution(p, state, tables)
    return p
