"""The border between Python and the kernels: checks and casts once, then runs compiled code."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.config import ModelConfig, TrainingConfig
from fastlm.errors import ConfigError
from fastlm.first_layer import first_layer_tables
from fastlm.layout import Layout
from fastlm.plan import (
    by_columns,
    by_table,
    column_tiles,
    logit_columns,
    phases,
    row_tile,
    transposed_from,
    update_tiles,
    vector_tiles,
    worth_sharing,
)
from fastlm.threads import run_team, thread_count
from fastlm_kernels import embedding, evaluation, examples
from fastlm_kernels import training as steps
from fastlm_kernels.alignment import aligned_copy, aligned_empty, aligned_zeros
from fastlm_kernels.arguments import (
    EMBEDDING,
    FAN_IN,
    FAN_OUT,
    LAYER,
    Network,
    Plan,
    Scratch,
    State,
    Table,
    Tokens,
)
from fastlm_kernels.embedding import SETTLE_EVERY
from fastlm_kernels.evaluation import LOGIT_COLUMNS, LOGIT_ROWS, EvaluationScratch
from fastlm_kernels.first_layer import FILL_ROWS
from fastlm_kernels.gemm import NO_WORKSPACE, Workspace, new_workspace
from fastlm_kernels.jit import JIT_DISABLED
from fastlm_kernels.softmax import BLOCK_TOPS
from fastlm_kernels.team import OWN_SIZE, Team

__all__ = [
    "TrainingEngine",
    "context_logits",
    "kernels_cached",
    "network_of",
    "position_losses",
    "token_array",
    "token_counts",
]

# A window of shuffled examples is put together from so many places of the corpus.
_WINDOW_BLOCKS = 64

# Ids of at most so many bytes are read whole to check them, whoever vouches for them.
_READ_WHOLE = 1 << 28
_SAMPLES, _SAMPLE = 64, 1 << 16
_COUNTED = 1 << 22

# With more ids than that tokens are words, of which a batch sees mostly different ones.
_COUNT_UP_TO = 4096
_NO_IDS = np.empty(0, dtype=np.int32)


# Rows per tile when only evaluating: enough for a GEMM near the machine's speed. Every row is
# summed by itself, so this changes no result.
_EVALUATION_ROWS = 128

# With an adaptive softmax few rows of a tile fall into each cluster, whose whole tail is read for
# them: V = 30,000 with three clusters took 10.4 microseconds a token with 128 rows, 8.9 with 1,024.
_ADAPTIVE_ROWS = 1024

# Steps of one example each whose examples are looked up at once; of a batch, three are under way.
_EXAMPLES_AHEAD = 32

# A thread is worth starting (some 50 microseconds) for so many tiles (some 0.1 ms each).
_TILES_PER_THREAD = 4


def token_array(ids: Any, vocab: int) -> Tokens:
    """Token ids as kernels take them; the one place where ids are checked.

    ids : a 1-D array of integers in 0 .. vocab - 1; uint16 and uint32 arrays are not copied
    """
    array = np.asarray(ids)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ConfigError(
            f"tokens are {array.dtype} of shape {array.shape}; give a 1-D array of integer ids"
        )
    below = getattr(ids, "ids_below", None)
    trusted = below is not None and below <= vocab
    low, high = _extremes(array, trusted)
    if low < 0 or high >= vocab:
        worst = low if low < 0 else high
        raise ConfigError(
            f"token id {worst} is outside 0..{vocab - 1}; "
            "encode the text with the model's tokenizer"
        )
    if array.dtype.itemsize <= 2 and array.dtype != np.uint16:
        array = array.astype(np.uint16)
    elif array.dtype.itemsize > 2 and array.dtype != np.uint32:
        array = array.astype(np.uint16 if vocab <= 2**16 else np.uint32)
    array = np.ascontiguousarray(array)
    if not array.flags.writeable:
        # A read-only array is another type to Numba and would compile every kernel once more.
        array = np.asarray(_Writable(array))
    return Tokens(array.view(np.uint16), array.dtype.itemsize // 2)


def _extremes(array: NDArray[Any], trusted: bool) -> tuple[int, int]:
    """(least, greatest) of the ids; (0, 0) of none.

    trusted : whoever wrote the ids says that they are in range. Where they are too many to read for
        nothing, samples from all over the array are then enough.
    """
    parts = [array]
    if trusted and array.nbytes > _READ_WHOLE:
        starts = np.linspace(0, array.size - _SAMPLE, _SAMPLES, dtype=np.int64)
        parts = [array[start : start + _SAMPLE] for start in starts]
    found = [(int(part.min()), int(part.max())) for part in parts if part.size]
    return min((low for low, _ in found), default=0), max((high for _, high in found), default=0)


class _Writable:
    """The memory of a read-only array, flagged as writable; kernels only read tokens."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._owner = array
        interface = dict(array.__array_interface__)
        interface["data"] = (interface["data"][0], False)
        self.__array_interface__ = interface


def token_counts(ids: Any, vocab: int) -> NDArray[np.int64]:
    """int64[V]: how often each id occurs; checked as ``token_array`` does."""
    known = getattr(ids, "counts", None)
    if known is not None and known.size == vocab:
        return np.asarray(known, dtype=np.int64)
    tokens = ids if isinstance(ids, Tokens) else token_array(ids, vocab)
    flat = tokens.ids if tokens.width == 1 else tokens.ids.view(np.uint32)
    counts = np.zeros(vocab, dtype=np.int64)
    # np.bincount makes a copy of 8 bytes an id.
    for start in range(0, flat.size, _COUNTED):
        counts += np.bincount(flat[start : start + _COUNTED], minlength=vocab)
    return counts


def network_of(config: ModelConfig) -> Network:
    layout = Layout(config)
    return Network(
        vocab=config.vocab,
        context=config.context,
        embed=config.embed,
        mean=int(config.combine == "mean"),
        boundary=-1 if config.boundary is None else config.boundary,
        layers=layout.kernel_table,
        depth=len(config.hidden) + 1,
        far=np.array(config.far, dtype=np.int64),
        span=config.span,
        cutoffs=np.array([*config.cutoffs, config.vocab], dtype=np.int64),
        widths=layout.widths,
        places=_places(config),
    )


def _places(config: ModelConfig) -> NDArray[np.int64]:
    """``Network.places``: the pools lie behind the near tokens in the input, the first nearest."""
    places = np.empty((config.span, 2), dtype=np.int64)
    near = config.span - config.context
    places[near:, 0] = np.arange(config.context) * config.embed * (config.combine == "concat")
    places[near:, 1] = -1
    stop, weight = near, 0
    source = config.input_width - len(config.far) * config.embed
    for size in config.far:
        places[stop - size : stop, 0] = source
        places[stop - size : stop, 1] = weight + np.arange(size) * config.embed
        stop -= size
        weight += size * config.embed
        source += config.embed
    return places


class TrainingEngine:
    """The state of a training run and the kernels that advance it.

    tokens : int[T], the training tokens
    params : float32[n], the initial weights (copied)
    step : number of steps done
    """

    def __init__(
        self,
        model: ModelConfig,
        training: TrainingConfig,
        tokens: Any,
        params: NDArray[np.float32],
    ) -> None:
        layout = Layout(model)
        if params.dtype != np.float32 or params.shape != (layout.size,):
            raise ConfigError(
                f"params are {params.dtype} of shape {params.shape}; "
                f"give float32 of shape ({layout.size},)"
            )
        self.model = model
        self.training = training
        self.network = network_of(model)
        self.tokens = token_array(tokens, model.vocab)
        self.examples = examples_in(self.tokens, model)
        batch = training.batch
        tile = row_tile(batch)
        ids = table_ids(tokens, self.tokens, model, batch)
        block = 0
        if training.shuffle_window is not None and training.shuffle_window < self.examples:
            block = max(1, training.shuffle_window // _WINDOW_BLOCKS)
        row_tiles = -(-batch // tile)
        columns = column_tiles(model, batch)
        updates = update_tiles(model, batch, ids.size)
        vectors = vector_tiles(model, ids.size)
        self.plan = Plan(
            batch=batch,
            row_tile=tile,
            row_tiles=row_tiles,
            phases=phases(
                row_tiles, len(columns), len(updates), vectors, model.context * bool(vectors)
            ),
            columns=columns,
            by_columns=int(by_columns(model)),
            updates=updates,
            logit_columns=logit_columns(tile),
            transposed_from=transposed_from(),
            by_table=vectors,
            first_target=first_target(model),
            examples=self.examples,
            shuffle=int(training.shuffle),
            block=block,
            window=_WINDOW_BLOCKS,
            seed=training.seed,
            dropout=float(training.dropout),
            embed_dropout=float(training.embed_dropout),
            beta=float(training.momentum),
            embed_scale=float(training.embed_lr_scale),
        )
        self.state = State(
            params=aligned_copy(params),
            momentum=aligned_zeros(layout.size, np.float32),
            row_steps=np.zeros(model.vocab + layout.widths, dtype=np.int64),
            rates=np.zeros(SETTLE_EVERY + 1, dtype=np.float64),
        )
        self.scratch = _scratch(self.plan, model, layout, ids)
        self.step = 0
        self.threads = 1
        if worth_sharing(model, batch):
            self.threads = thread_count(training.threads)
        self._own = np.zeros((0, OWN_SIZE), dtype=np.int64)
        self._workspaces: list[Workspace] = []

    @property
    def by_example(self) -> bool:
        """Whether the path for a batch of one is taken."""
        return self.training.batch == 1 and not self.model.cutoffs and not self.model.far

    def compile(self) -> None:
        """Compile the training kernel or bring it from the cache; otherwise the first ``run`` does.

        Without the matrix product, which another process may be compiling (``fastlm.warmup``).
        """
        self._call(np.empty(0), np.empty(0), [NO_WORKSPACE])

    def run(self, rates: NDArray[np.float64]) -> NDArray[np.float64]:
        """One step per learning rate in ``rates`` [steps]; returns the mean losses [steps], nats.

        The loss of a step is that of its batch before the update.
        """
        rates = np.ascontiguousarray(rates, dtype=np.float64)
        losses = np.empty(rates.size, dtype=np.float64)
        done = 0
        while done < rates.size:
            stop = rates.size
            if self.training.weight_decay:
                stop = min(stop, done + SETTLE_EVERY - self.step % SETTLE_EVERY)
            self._call(losses[done:stop], rates[done:stop], self._kept_workspaces())
            self.step += stop - done
            done = stop
            if self.training.weight_decay and self.step % SETTLE_EVERY == 0:
                self._decay()
        return losses

    def _kept_workspaces(self) -> list[Workspace]:
        """One for each thread, the same ones in every call: new memory costs 0.2 ms a call."""
        if self.by_example:
            return [NO_WORKSPACE]  # multiplies nothing
        while len(self._workspaces) < self.threads:
            self._workspaces.append(new_workspace())
        return self._workspaces[: self.threads]

    def _decay(self) -> None:
        """Weight decay for the last SETTLE_EVERY steps: at w' = -rate lambda w for so long."""
        steps = np.arange(self.step - SETTLE_EVERY, self.step)
        total = float(self.state.rates[steps % self.state.rates.size].sum())
        total *= self.training.weight_decay
        for name, weight in Layout(self.model).views(self.state.params).items():
            if name == "embeddings":
                weight *= np.float32(math.exp(-total * self.plan.embed_scale))
            elif not name.endswith("bias") and not name.startswith("far"):
                weight *= np.float32(math.exp(-total))

    def _call(
        self,
        losses: NDArray[np.float64],
        rates: NDArray[np.float64],
        workspaces: Sequence[Workspace],
    ) -> None:
        """A thread for each workspace."""
        if self.by_example:
            run_team(
                1,
                examples.train_examples,
                lambda *_: (
                    losses, self.state, self.scratch, self.tokens, rates,
                    self.network, self.plan, self.step,
                ),
            )  # fmt: skip
        else:
            threads = len(workspaces)
            if threads > len(self._own):
                self._own = np.zeros((threads, OWN_SIZE), dtype=np.int64)
            run_team(
                threads,
                steps.train_steps,
                lambda index, team: (
                    losses, self.state, self.scratch, workspaces[index], team, self.tokens, rates,
                    self.network, self.plan, self.step,
                ),
                self._own,
            )  # fmt: skip

    def settled(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Copies of (params, momentum) with every embedding row brought up to date.

        Copies, since settling rounds: reading must not change what training goes on with. The
        momentum is zeros where training has none (beta = 0): the array is then scratch.
        """
        copy = State(*map(aligned_copy, self.state))
        if self.by_example:
            examples.settle_everything(copy, self.network, self.plan, self.step)
        else:
            embedding.settle_all(copy, self.network, self.plan, self.step)
        if self.plan.beta == 0:
            copy.momentum[:] = 0
        return copy.params, copy.momentum

    def gradient(self) -> tuple[float, NDArray[np.float32]]:
        """(mean loss, gradient float32[n]) of the next step's batch; changes nothing."""
        params, _ = self.settled()
        grad = np.empty_like(params)
        with np.errstate(over="ignore"):
            loss = steps.batch_gradient(
                grad,
                self.scratch,
                new_workspace(),
                self.tokens,
                params,
                self.network,
                self.plan,
                self.step,
            )
        return float(loss), grad


def kernels_cached() -> bool:
    """Whether compiled training kernels lie in Numba's cache folder (perhaps of older source)."""
    if JIT_DISABLED or steps.train_steps.signatures:
        return True
    folder = steps.train_steps.stats.cache_path
    return folder is not None and any(Path(folder).glob("training.train_steps-*.nbi"))


def first_target(model: ModelConfig) -> int:
    """The first position that has a context: with a boundary token the very first has one too."""
    return model.span if model.boundary is None else 0


def examples_in(tokens: Tokens, model: ModelConfig) -> int:
    count = tokens.ids.size // tokens.width
    needed = model.span + 1
    if count < needed:
        raise ConfigError(
            f"the text has {count} tokens, but a context of {model.span} needs at least "
            f"{needed}; give more text or a smaller context"
        )
    return count - first_target(model)


def table_ids(given: Any, tokens: Tokens, model: ModelConfig, batch: int) -> NDArray[np.int32]:
    """int32[D]: the tokens of the first layer's table in training; none: it has no table.

    given, tokens : the training tokens as they came (perhaps with counts), and checked
    """
    if not by_table(model, batch, 2) or model.vocab > _COUNT_UP_TO:
        return _NO_IDS
    known = getattr(given, "counts", None)
    used = token_counts(tokens if known is None else given, model.vocab) > 0
    used[model.boundary or 0] = True  # what fills up a context
    ids = np.flatnonzero(used).astype(np.int32)
    return ids if by_table(model, batch, ids.size) else _NO_IDS


def _scratch(plan: Plan, model: ModelConfig, layout: Layout, ids: NDArray[np.int32]) -> Scratch:
    far = sum(model.far) * model.embed
    pairs = ids.size * model.context
    slots = np.full(model.vocab if ids.size else 0, -1, dtype=np.int32)
    slots[ids] = np.arange(ids.size)
    shares = aligned_empty(pairs * model.hidden[0] if ids.size else 0, np.float32)
    ahead = _EXAMPLES_AHEAD if plan.batch == 1 else 3
    embedding_tiles = int((plan.updates[:, LAYER] == EMBEDDING).sum())
    blocks = -(-model.head // plan.logit_columns)
    of_columns = 0
    for layer, start, stop, block, place in plan.columns.tolist():
        blocks = max(blocks, -(-(stop - start) // block))
        of_columns = place + int(layout.kernel_table[layer, FAN_IN])
    transposed = bool((layout.kernel_table[:, FAN_OUT] >= plan.transposed_from).any())
    return Scratch(
        contexts=np.empty((ahead, plan.batch * model.span), dtype=np.int32),
        targets=np.empty((ahead, plan.batch), dtype=np.int32),
        starts=np.zeros((2, len(model.cutoffs) + 1), dtype=np.int64),
        inputs=aligned_empty(plan.batch * layout.widths, np.float32),
        d_inputs=aligned_empty(plan.batch * layout.widths, np.float32),
        inputs_t=aligned_empty(plan.batch * layout.widths * transposed, np.float32),
        d_columns=aligned_empty(plan.batch * of_columns, np.float32),
        logits=aligned_empty(plan.batch * _logits_per_row(model), np.float32),
        marks=np.empty((plan.batch * (1 + len(plan.columns)), BLOCK_TOPS + blocks), np.float64),
        tile_losses=np.empty(plan.row_tiles, dtype=np.float64),
        d_far=np.empty(plan.row_tiles * far, dtype=np.float32),
        far=np.empty(far, dtype=np.float32),
        occurrences=np.empty((embedding_tiles, plan.batch * model.span), dtype=np.int32),
        decays=np.empty((2, SETTLE_EVERY + 1), dtype=np.float64),
        table=Table(shares, slots, ids),
        starts_of_shares=np.empty(plan.batch * model.context * bool(ids.size), dtype=np.int32),
        vectors=aligned_empty(pairs * model.embed, np.float32),
        rows_by_token=np.empty(plan.batch * model.context * bool(ids.size), dtype=np.int32),
        token_starts=np.empty((pairs + model.context) * bool(ids.size), dtype=np.int32),
    )


def _logits_per_row(model: ModelConfig) -> int:
    """A row's logits: of the output, and of the largest cluster of an adaptive softmax."""
    return model.head + _largest_cluster(model)


def _largest_cluster(model: ModelConfig) -> int:
    return max((stop - start for start, stop, _ in model.clusters), default=0)


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

    def arguments(_: int, team: Team) -> tuple[Any, ...]:
        scratch = _evaluation_scratch(model, network, rows)
        return (
            losses, scratch, new_workspace(), team, tokens, table, params, network, phases, first,
            rows,
        )  # fmt: skip

    run_team(
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


def context_logits(
    params: NDArray[np.float32], model: ModelConfig, contexts: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Logits float32[B, V] of contexts int32[B, span], oldest token first; log-probabilities where
    the softmax is adaptive."""
    batch = contexts.shape[0]
    logits = np.empty(batch * model.vocab, dtype=np.float32)
    network = network_of(model)
    inputs = np.empty(batch * network.widths, dtype=np.float32)
    evaluation.context_logits(
        logits, inputs, new_workspace(), contexts.reshape(-1), params, network, batch
    )
    return logits.reshape(batch, model.vocab)
