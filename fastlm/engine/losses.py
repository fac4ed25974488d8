"""The border to the evaluation kernels: losses of token arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastlm.config import ModelConfig
from fastlm.engine.compiling import compile_together
from fastlm.engine.network import first_target, network_of
from fastlm.engine.parallel import run_parallel
from fastlm.engine.tokens import flat_ids, token_array
from fastlm.errors import CorpusError
from fastlm_kernels.linalg.gemm import NO_WORKSPACE, Workspace, new_workspace
from fastlm_kernels.passes import evaluation
from fastlm_kernels.passes.evaluation import LOGIT_COLUMNS, LOGIT_ROWS, EvaluationScratch
from fastlm_kernels.passes.first_layer import FILL_ROWS, number_tokens
from fastlm_kernels.runtime.alignment import aligned_empty
from fastlm_kernels.runtime.arguments import Network, Tokens, TokenTable
from fastlm_kernels.runtime.jit import compile_for
from fastlm_kernels.runtime.scheduler import Worker, no_worker

__all__ = [
    "NO_TABLE",
    "LossSum",
    "evaluate_tokens",
    "first_layer_tables",
    "mean_loss",
    "position_losses",
    "sum_losses",
    "table_size",
]

_POSITIONS_PER_CALL = 1 << 20  # 8 MB of losses, enough that a call itself costs nothing

# Rows per tile: enough for a product near the machine's speed. Each row is summed by itself, so
# this changes no result.
_ROWS = 128

# With an adaptive softmax few rows of a tile fall into each cluster, whose whole tail is read for
# them: V = 30,000 with three clusters took 10.4 us a token with 128 rows, 8.9 with 1,024.
_ADAPTIVE_ROWS = 1024

_TILES_PER_THREAD = 4  # tiles (0.1 ms each) that pay for starting a thread (50 us)

# Bytes of a token table, so that much of it stays in a cache: with V = 30,000, C = 4, E = 128,
# H = 256 it has 8,192 words; 0.7 us a word in place of 3.0 for the product.
_TABLE_BYTES = 32 * 2**20
_MIN_TABLE_TOKENS = 1024  # with fewer tokens the table would be computed again too often

_NO_IDS = np.empty(0, dtype=np.int32)
NO_TABLE = TokenTable(np.empty(0, dtype=np.float32), _NO_IDS, _NO_IDS)


def position_losses(
    params: NDArray[np.float32],
    model: ModelConfig,
    tokens: Tokens,
    first: int,
    stop: int,
    threads: int = 1,
) -> NDArray[np.float64]:
    """Return -log p(token | its context) in nats, for the positions first <= t < stop.

    The result has the same bits for any number of threads, and wherever in the array a token and
    its context lie.

    Parameters
    ----------
    params : float32[n]
        The parameters of the model.
    model : ModelConfig
        The shape of the model.
    tokens : Tokens
        The token array, see ``token_array``.
    first, stop : int
        The positions.
    threads : int
        At most this many threads.

    Returns
    -------
    float64[stop - first]
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
    table: TokenTable,
    first: int,
    threads: int,
) -> None:
    rows = min(_ADAPTIVE_ROWS if model.cutoffs else _ROWS, losses.size)
    tiles = -(-losses.size // rows)
    fills = -(-table.ids.size // FILL_ROWS)
    phases = np.array([0, fills, fills + tiles], dtype=np.int64)

    def arguments(workspace: Workspace, worker: Worker) -> tuple[Any, ...]:
        scratch = _evaluation_scratch(model, network, rows)
        return (
            losses, scratch, workspace, worker, tokens, table, params, network, phases, first, rows,
        )  # fmt: skip

    def compile_kernel() -> None:
        compile_for(evaluation.position_losses, arguments(NO_WORKSPACE, no_worker()))

    compile_together({"position_losses": compile_kernel, "product": new_workspace})
    run_parallel(
        max(1, min(threads, tiles // _TILES_PER_THREAD)),
        evaluation.position_losses,
        lambda _, worker: arguments(new_workspace(), worker),
    )


def _evaluation_scratch(model: ModelConfig, network: Network, rows: int) -> EvaluationScratch:
    logits = max(min(rows, LOGIT_ROWS) * LOGIT_COLUMNS, 0 if model.hidden else rows * model.head)
    return EvaluationScratch(
        inputs=aligned_empty(max(rows * network.widths, FILL_ROWS * model.embed), np.float32),
        logits=aligned_empty(logits, np.float32),
        contexts=np.empty(rows * model.span, dtype=np.int32),
        order=np.empty((2, rows), dtype=np.int32),
        cluster_starts=np.empty(len(model.cutoffs) + 1, dtype=np.int64),
        maxima=np.empty(LOGIT_ROWS, dtype=np.float32),
        sums=np.empty(LOGIT_ROWS, dtype=np.float64),
        target_logits=np.empty(LOGIT_ROWS, dtype=np.float64),
    )


class LossSum(NamedTuple):
    """The sum of -log p(token | context) over ``tokens`` tokens, ``oov`` of them ``<unk>``."""

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
    ranges: Sequence[tuple[int, int]] | None = None,
    threads: int = 1,
) -> LossSum:
    """Sum the losses over a token array, in constant memory besides it.

    Positions start at 0 where the model has a boundary token, else at its span. Sums are float64.

    Parameters
    ----------
    params : float32[n]
        The parameters of the model.
    config : ModelConfig
        The shape of the model.
    ids : int[T] or Tokens
        A boundary token ends each document; Tokens are checked already.
    count_boundary : bool
        Whether boundary tokens count among those predicted.
    unk : int, optional
        The id to count as ``oov``.
    ranges : sequence of (first, stop), optional
        The positions to sum over. Default: all.
    threads : int
        At most this many threads.

    Raises
    ------
    ConfigError
        As ``token_array`` does.
    """
    tokens = ids if isinstance(ids, Tokens) else token_array(ids, config.vocab)

    def losses_of(tokens: Tokens, start: int, stop: int) -> NDArray[np.float64]:
        return position_losses(params, config, tokens, start, stop, threads)

    skipped = None if count_boundary else config.boundary
    first = first_target(config)
    return sum_losses(losses_of, tokens, first, skipped=skipped, unk=unk, ranges=ranges)


def sum_losses(
    losses_of: Callable[[Tokens, int, int], NDArray[np.float64]],
    tokens: Tokens,
    first: int,
    *,
    skipped: int | None = None,
    unk: int | None = None,
    ranges: Sequence[tuple[int, int]] | None = None,
) -> LossSum:
    """Sum the losses of the positions from ``first`` on, in constant memory besides the tokens.

    Parameters
    ----------
    losses_of : callable
        Returns the losses of tokens at positions start <= t < stop.
    tokens : Tokens
    first : int
    skipped : int, optional
        An id that does not count among those predicted.
    unk : int, optional
        The id to count as ``oov``.
    ranges : sequence of (first, stop), optional
        The positions to sum over in place of these.
    """
    flat = flat_ids(tokens)
    nats: list[float] = []
    counted = oov = 0
    calls = (
        (start, min(start + _POSITIONS_PER_CALL, end))
        for low, end in ranges or [(first, flat.size)]
        for start in range(low, end, _POSITIONS_PER_CALL)
    )
    for start, stop in calls:
        losses = losses_of(tokens, start, stop)
        targets = flat[start:stop]
        if skipped is not None:
            keep = targets != skipped
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
    ranges: Sequence[tuple[int, int]] | None = None,
) -> tuple[float, int]:
    """Return (sum of losses in nats, number of tokens counted), see ``evaluate_tokens``.

    Raises CorpusError if no token can be predicted.
    """
    total = evaluate_tokens(
        params, config, tokens, count_boundary=count_boundary, ranges=ranges, threads=threads
    )
    if total.tokens == 0:
        count = tokens.ids.size // tokens.width
        raise CorpusError(
            f"the text to measure on has {count} tokens, but this model needs at least "
            f"{first_target(config) + 1} to predict one; give more text"
        )
    return total.nats, total.tokens


def table_size(model: ModelConfig) -> int:
    """Return how many tokens a token table holds at most; 0: the first layer is a product.

    It depends on the model alone, so that the same text always has the same losses.
    """
    if model.combine != "concat":
        return 0  # the mean is E numbers a token, less than the layer's output
    if model.cutoffs and not model.hidden:
        return 0  # the tails read the first layer's input
    rows = min(model.vocab, _TABLE_BYTES // (4 * _row_size(model)))
    return rows if rows >= min(model.vocab, max(_MIN_TABLE_TOKENS, model.context + 1)) else 0


def _row_size(model: ModelConfig) -> int:
    return model.context * (model.hidden[0] if model.hidden else model.vocab)


def first_layer_tables(
    model: ModelConfig, network: Network, tokens: Tokens, first: int, stop: int
) -> Iterator[tuple[TokenTable, int, int]]:
    """Cut the positions first <= t < stop so that the contexts of each part fit one token table.

    Yields (table, first, stop) of each part; the table's values are not computed yet.
    """
    size = table_size(model)
    while first < stop:
        if size == 0:
            yield NO_TABLE, first, stop
            return
        rows = np.full(model.vocab, -1, dtype=np.int32)
        # The tokens of all contexts, and the one that fills them up.
        ids = np.empty(min(size, stop - first + model.context), dtype=np.int32)
        known, end = number_tokens(rows, ids, tokens, network, first, stop)
        values = np.empty(known * _row_size(model), dtype=np.float32)
        yield TokenTable(values, rows, ids[:known]), first, end
        first = end
