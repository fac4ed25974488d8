"""The border between Python and the kernels: checks and casts once, then runs compiled code."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.config import ModelConfig, TrainingConfig
from fastlm.engine.network import first_target, network_of
from fastlm.engine.parallel import run_parallel
from fastlm.engine.tiling import (
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
from fastlm.engine.tokens import token_array, token_counts
from fastlm.errors import ConfigError
from fastlm.model.layout import Layout
from fastlm.system.resources import thread_count
from fastlm_kernels.layers import embedding
from fastlm_kernels.layers.embedding import SETTLE_EVERY
from fastlm_kernels.layers.softmax import BLOCK_TOPS
from fastlm_kernels.linalg.gemm import NO_WORKSPACE, Workspace, new_workspace
from fastlm_kernels.passes import single_example as examples
from fastlm_kernels.passes import training as steps
from fastlm_kernels.runtime.alignment import aligned_copy, aligned_empty, aligned_zeros
from fastlm_kernels.runtime.arguments import (
    EMBEDDING,
    FAN_IN,
    FAN_OUT,
    LAYER,
    Plan,
    Scratch,
    State,
    Table,
    Tokens,
)
from fastlm_kernels.runtime.jit import is_cached
from fastlm_kernels.runtime.scheduler import PRIVATE_SIZE

__all__ = ["TrainingEngine", "kernels_cached"]

# A window of shuffled examples is put together from so many places of the corpus.
_WINDOW_BLOCKS = 64


# With more ids than that tokens are words, of which a batch sees mostly different ones.
_COUNT_UP_TO = 4096


_NO_IDS = np.empty(0, dtype=np.int32)


# Steps of one example each whose examples are looked up at once; of a batch, three are under way.
_EXAMPLES_AHEAD = 32


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
        self._private = np.zeros((0, PRIVATE_SIZE), dtype=np.int64)
        self._workspaces: list[Workspace] = []

    @property
    def is_single_example(self) -> bool:
        """Whether the path for a batch of one is taken."""
        return self.training.batch == 1 and not self.model.cutoffs and not self.model.far

    def compile(self) -> None:
        """Compile the training kernel or bring it from the cache; otherwise the first ``run`` does.

        Without the matrix product, which another process may be compiling
        (``fastlm.engine.precompile``).
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
        if self.is_single_example:
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
        if self.is_single_example:
            run_parallel(
                1,
                examples.train_examples,
                lambda *_: (
                    losses, self.state, self.scratch, self.tokens, rates,
                    self.network, self.plan, self.step,
                ),
            )  # fmt: skip
        else:
            threads = len(workspaces)
            if threads > len(self._private):
                self._private = np.zeros((threads, PRIVATE_SIZE), dtype=np.int64)
            run_parallel(
                threads,
                steps.train_steps,
                lambda index, worker: (
                    losses, self.state, self.scratch, workspaces[index], worker, self.tokens, rates,
                    self.network, self.plan, self.step,
                ),
                self._private,
            )  # fmt: skip

    def snapshot(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Copies of (params, momentum) with every embedding row brought up to date.

        Copies, since settling rounds: reading must not change what training goes on with. The
        momentum is zeros where training has none (beta = 0): the array is then scratch.
        """
        copy = State(*map(aligned_copy, self.state))
        if self.is_single_example:
            examples.settle_everything(copy, self.network, self.plan, self.step)
        else:
            embedding.settle_all(copy, self.network, self.plan, self.step)
        if self.plan.beta == 0:
            copy.momentum[:] = 0
        return copy.params, copy.momentum

    def gradient(self) -> tuple[float, NDArray[np.float32]]:
        """(mean loss, gradient float32[n]) of the next step's batch; changes nothing."""
        params, _ = self.snapshot()
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
    """Return whether the training kernel needs no compiling."""
    return is_cached(steps.train_steps)


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
