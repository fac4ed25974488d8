"""The border to the evaluation kernels: losses of token arrays."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastlm.config import ModelConfig
from fastlm.engine.network import first_target, network_of
from fastlm.engine.parallel import run_parallel
from fastlm.engine.tokens import token_array
from fastlm.errors import CorpusError
from fastlm_kernels.linalg.gemm import new_workspace
from fastlm_kernels.passes import evaluation
from fastlm_kernels.passes.evaluation import LOGIT_COLUMNS, LOGIT_ROWS, EvaluationScratch
from fastlm_kernels.passes.first_layer import FILL_ROWS, number_tokens
from fastlm_kernels.runtime.alignment import aligned_empty
from fastlm_kernels.runtime.arguments import Network, Table, Tokens
from fastlm_kernels.runtime.scheduler import Worker

__all__ = [
    "NO_TABLE",
    "LossSum",
    "evaluate_tokens",
    "first_layer_tables",
    "mean_loss",
    "position_losses",
    "table_rows",
]

# Rows per tile when only evaluating: enough for a GEMM near the machine's speed. Every row is
# summed by itself, so this changes no result.
_EVALUATION_ROWS = 128


# With an adaptive softmax few rows of a tile fall into each cluster, whose whole tail is read for
# them: V = 30,000 with three clusters took 10.4 microseconds a token with 128 rows, 8.9 with 1,024.
_ADAPTIVE_ROWS = 1024


# A thread is worth starting (some 50 microseconds) for so many tiles (some 0.1 ms each).
_TILES_PER_THREAD = 4


def position_losses(
    params: NDArray[np.float32],
    model: ModelConfig,
    tokens: Tokens,
    first: int,
    stop: int,
    threads: int = 1,
) -> NDArray[np.float64]:
    """-log p(token | its context) in nats, for the positions first <= t < stop.

    Returns float64[stop - first]. The same bits for any number of threads, and wherever in the
    array a token and its context lie.
    """
    losses = np.empty(stop - first, dtype=np.float64)
    network = network_of(model)
    for table, start, end in first_layer_tables(model, network, tokens, first, stop):
        part = losses[start - first : end - first]
        _fill_losses(part, params, model, network, tokens, table, start, threads)
    return losses


def _fill_losses(
    losses: NDArray[np.float64],
    params: NDArray[np.float32],
    model: ModelConfig,
    network: Network,
    tokens: Tokens,
    table: Table,
    first: int,
    threads: int,
) -> None:
    rows = min(_ADAPTIVE_ROWS if model.cutoffs else _EVALUATION_ROWS, losses.size)
    tiles = -(-losses.size // rows)
    fills = -(-table.ids.size // FILL_ROWS)
    phases = np.array([0, fills, fills + tiles], dtype=np.int64)

    def arguments(_: int, worker: Worker) -> tuple[Any, ...]:
        scratch = _evaluation_scratch(model, network, rows)
        return (
            losses, scratch, new_workspace(), worker, tokens, table, params, network, phases, first,
            rows,
        )  # fmt: skip

    run_parallel(
        max(1, min(threads, tiles // _TILES_PER_THREAD)), evaluation.position_losses, arguments
    )


def _evaluation_scratch(model: ModelConfig, network: Network, rows: int) -> EvaluationScratch:
    logits = max(min(rows, LOGIT_ROWS) * LOGIT_COLUMNS, 0 if model.hidden else rows * model.head)
    return EvaluationScratch(
        inputs=aligned_empty(max(rows * network.widths, FILL_ROWS * model.embed), np.float32),
        logits=aligned_empty(logits, np.float32),
        contexts=np.empty(rows * model.span, dtype=np.int32),
        order=np.empty((2, rows), dtype=np.int32),
        starts=np.empty(len(model.cutoffs) + 1, dtype=np.int64),
        tops=np.empty(LOGIT_ROWS, dtype=np.float32),
        totals=np.empty(LOGIT_ROWS, dtype=np.float64),
        at_target=np.empty(LOGIT_ROWS, dtype=np.float64),
    )


# Positions per call: 8 MB of losses, and enough that the call itself costs nothing.
_SLICE = 1 << 20


class LossSum(NamedTuple):
    """nats : sum of -log p(token | context) over ``tokens`` tokens, ``oov`` of them ``<unk>``."""

    nats: float
    tokens: int
    oov: int


def evaluate_tokens(
    params: NDArray[np.float32],
    config: ModelConfig,
    ids: Any,
    *,
    count_boundary: bool,
    unk: int | None = None,
    threads: int = 1,
) -> LossSum:
    """Sum the losses over a token array, in constant memory beside it.

    params : float32[n]
    ids : int[T], a boundary token ends each document; or ``Tokens``, checked already
    count_boundary : whether boundary tokens count among those predicted
    unk : the id to count as ``oov``

    Positions start at 0 where the model has a boundary token, else at C. Sums are float64.
    """
    tokens = ids if isinstance(ids, Tokens) else token_array(ids, config.vocab)
    flat = tokens.ids if tokens.width == 1 else tokens.ids.view(np.uint32)
    nats: list[float] = []
    counted = oov = 0
    for start in range(first_target(config), flat.size, _SLICE):
        stop = min(start + _SLICE, flat.size)
        losses = position_losses(params, config, tokens, start, stop, threads)
        targets = flat[start:stop]
        if not count_boundary and config.boundary is not None:
            keep = targets != config.boundary
            losses, targets = losses[keep], targets[keep]
        nats.append(float(losses.sum()))
        counted += losses.size
        if unk is not None:
            oov += int(np.count_nonzero(targets == unk))
    # fsum would raise for inf and -inf together; a plain sum says NaN.
    return LossSum(sum(nats), counted, oov)


def mean_loss(
    params: NDArray[np.float32],
    config: ModelConfig,
    tokens: Tokens,
    count_boundary: bool,
    threads: int = 1,
) -> tuple[float, int]:
    """The parts of a mean loss over a token array: (sum in nats, number of tokens counted).

    See ``evaluate_tokens``. Raises CorpusError when no token can be predicted.
    """
    total = evaluate_tokens(params, config, tokens, count_boundary=count_boundary, threads=threads)
    if total.tokens == 0:
        count = tokens.ids.size // tokens.width
        raise CorpusError(
            f"the text to measure on has {count} tokens, but this model needs at least "
            f"{first_target(config) + 1} to predict one; give more text"
        )
    return total.nats, total.tokens


# A table takes at most so many bytes, so that much of it stays in a cache. With V = 30,000, C = 4,
# E = 128, H = 256 that is 8,192 words, enough for some 80,000 words of running text: numbering,
# computing and adding took 0.7 microseconds a word, the product 3.0.
_TABLE_BYTES = 32 * 2**20


# With fewer tokens than that in a table, too many would be computed again and again.
_FEWEST_ROWS = 1024


_NOTHING = np.empty(0, dtype=np.int32)


NO_TABLE = Table(np.empty(0, dtype=np.float32), _NOTHING, _NOTHING)


def table_rows(model: ModelConfig) -> int:
    """How many tokens a table of the first layer holds at most; 0: multiply.

    This depends on the model alone, so that the same text always has the same losses.
    """
    if model.combine != "concat":
        return 0  # the mean is E numbers a token, less than the layer's output
    if model.cutoffs and not model.hidden:
        return 0  # the tails read what the first layer reads
    rows = min(model.vocab, _TABLE_BYTES // (4 * _row_size(model)))
    return rows if rows >= min(model.vocab, max(_FEWEST_ROWS, model.context + 1)) else 0


def _row_size(model: ModelConfig) -> int:
    return model.context * (model.hidden[0] if model.hidden else model.vocab)


def first_layer_tables(
    model: ModelConfig, network: Network, tokens: Tokens, first: int, stop: int
) -> Iterator[tuple[Table, int, int]]:
    """Cut the positions first <= t < stop so that the tokens before each part have one table.

    Yields (table, first, stop) of each part. The table's numbers are not computed yet.
    """
    rows = table_rows(model)
    while first < stop:
        if rows == 0:
            yield NO_TABLE, first, stop
            return
        slots = np.full(model.vocab, -1, dtype=np.int32)
        # The tokens of all contexts, and the one that fills them up.
        ids = np.empty(min(rows, stop - first + model.context), dtype=np.int32)
        known, end = number_tokens(slots, ids, tokens, network, first, stop)
        shares = np.empty(known * _row_size(model), dtype=np.float32)
        yield Table(shares, slots, ids[:known]), first, end
        first = end
