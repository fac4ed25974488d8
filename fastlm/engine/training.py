"""The border to the training kernels: the state of a run, and steps that advance it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.config import ModelConfig, TrainingConfig
from fastlm.engine.compiling import compile_together
from fastlm.engine.network import first_target, network_of
from fastlm.engine.parallel import run_parallel
from fastlm.engine.tiling import (
    column_tiles,
    logit_columns,
    phase_starts,
    row_tile,
    sweeps_columns,
    table_embedding_tiles,
    table_ids,
    transposed_from,
    update_tiles,
    worth_sharing,
)
from fastlm.engine.tokens import check_params, count_examples, token_array
from fastlm.engine.training_units import NO_UNITS, TrainingUnits
from fastlm.model.layout import Layout
from fastlm.system.resources import thread_count
from fastlm_kernels.layers import embedding
from fastlm_kernels.layers.embedding import SETTLE_EVERY
from fastlm_kernels.layers.softmax import STATE_BLOCK_MAX
from fastlm_kernels.linalg.gemm import NO_WORKSPACE, Workspace, new_workspace
from fastlm_kernels.passes import single_example
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
    TokenTable,
)
from fastlm_kernels.runtime.jit import is_cached
from fastlm_kernels.runtime.scheduler import PRIVATE_SIZE

__all__ = ["TrainingEngine", "plan_of", "scratch_of"]

_WINDOW_BLOCKS = 64  # blocks of the corpus that a shuffle window is put together from

_LOOKAHEAD = 32  # examples fetched at once with a batch of one
_BUFFERED_BATCHES = 3  # else: this step's, the next one's, and that before it is sorted


class TrainingEngine:
    """The state of a training run and the kernels that advance it.

    Parameters
    ----------
    model : ModelConfig
        The shape of the model.
    training : TrainingConfig
        The settings of the run.
    tokens : int[T]
        The training tokens, see ``token_array``. An attribute ``check_unchanged`` is called before
        each compiled call (``TokenStore``).
    params : float32[n]
        The initial parameters; they are copied.

    Attributes
    ----------
    step : int
        The number of steps done.
    threads : int
        The number of threads that share a step.
    examples : int
        The positions that are trained on.
    state, scratch, plan, network, tokens
        The arguments of the kernels; ``state`` is what changes (see ``snapshot``).

    Raises
    ------
    ConfigError
        If tokens or params are not as above, or there are fewer tokens than an example needs.
    """

    def __init__(
        self,
        model: ModelConfig,
        training: TrainingConfig,
        tokens: Any,
        params: NDArray[np.float32],
    ) -> None:
        layout = Layout(model)
        check_params(params, layout.size)
        self.model = model
        self.training = training
        self.network = network_of(model)
        self.tokens = token_array(tokens, model.vocab)
        self._check_unchanged = getattr(tokens, "check_unchanged", None)
        self.examples = count_examples(self.tokens, model)
        ids = table_ids(tokens, self.tokens, model, training.batch)
        self.plan = plan_of(model, training, self.examples, ids.size)
        self.state = State(
            params=aligned_copy(params),
            momentum=aligned_zeros(layout.size, np.float32),
            row_steps=np.zeros(model.vocab + layout.widths, dtype=np.int64),
            rates=np.zeros(SETTLE_EVERY + 1, dtype=np.float64),
        )
        self.scratch = scratch_of(self.plan, model, layout, ids)
        self.step = 0
        self.threads = 1
        if worth_sharing(model, training.batch):
            self.threads = thread_count(training.threads)
        self._private = np.zeros((0, PRIVATE_SIZE), dtype=np.int64)
        self._workspaces: list[Workspace] = []
        shared = (self.state, self.scratch, NO_WORKSPACE, self.network, self.plan)
        self._units = TrainingUnits(self.plan, shared)

    @property
    def is_single_example(self) -> bool:
        """Whether steps run by the kernels for a batch of one."""
        return self.training.batch == 1 and not self.model.cutoffs and not self.model.far

    def may_hold(self, state: Mapping[str, NDArray[Any]], step: int) -> bool:
        """Return whether arrays, by field of ``State``, may be this engine's after ``step`` steps.

        Kernels trust what this checks: at every step, rows are settled up to the last multiple of
        SETTLE_EVERY at least, and ``fill_decays`` tabulates no step before it. Rows that no kernel
        settles (weights but for a batch of one, and any row of a batch of one without momentum)
        may have any step.
        """
        own = self.state._asdict()
        if state.keys() != own.keys() or any(
            state[name].shape != array.shape or state[name].dtype != array.dtype
            for name, array in own.items()
        ):
            return False
        rows = state["row_steps"]
        settled = rows if self.is_single_example else rows[: self.model.vocab]
        if self.is_single_example and self.plan.beta == 0:
            settled = rows[:0]
        return bool(
            np.isfinite(state["momentum"]).all()
            and np.isfinite(state["rates"]).all()
            and rows.min(initial=0) >= 0
            and rows.max(initial=0) <= step
            and settled.min(initial=step) >= step - step % SETTLE_EVERY
        )

    @property
    def is_compiled(self) -> bool:
        """Whether ``run`` needs no compiling, in this process or thanks to the cache."""
        if self.is_single_example:
            return is_cached(single_example.train_examples)
        return is_cached(steps.train_steps) and self._units.are_cached

    def compile(self) -> None:
        """Compile what ``run`` calls or load it from the cache; otherwise the first ``run`` does.

        Where a second process was started for it (``engine.precompile``), the two share the work.
        """
        compile_together(self.compilations())

    def compilations(self, every_unit: bool = False) -> dict[str, Callable[[], object]]:
        """Return what ``run`` needs compiled, by name, and what compiles or loads each.

        every_unit : what no run of this model and plan calls, too
        """
        driver = partial(self._call, np.empty(0), np.empty(0), [NO_WORKSPACE])
        if self.is_single_example:
            return {"train_examples": driver}
        compilations: dict[str, Callable[[], object]] = {"train_steps": driver}
        return compilations | self._units.compilations(every_unit) | {"product": new_workspace}

    def run(self, rates: NDArray[np.float64]) -> NDArray[np.float64]:
        """Run one step per learning rate.

        Parameters
        ----------
        rates : float64[steps]
            The learning rate of each step.

        Returns
        -------
        float64[steps]
            The mean loss of each batch before its update, in nats.

        Raises
        ------
        StoreError
            If the tokens are mapped from a file that has other ids by now.
        """
        if self._check_unchanged is not None:
            self._check_unchanged()
        rates = np.ascontiguousarray(rates, dtype=np.float64)
        losses = np.empty(rates.size, dtype=np.float64)
        done = 0
        while done < rates.size:
            stop = rates.size
            if self.training.weight_decay:
                stop = min(stop, done + SETTLE_EVERY - self.step % SETTLE_EVERY)
            self._call(losses[done:stop], rates[done:stop], self._thread_workspaces())
            self.step += stop - done
            done = stop
            if self.training.weight_decay and self.step % SETTLE_EVERY == 0:
                self._decay()
        return losses

    def _thread_workspaces(self) -> list[Workspace]:
        """Return one per thread, the same ones in every call: new memory costs 0.2 ms a call."""
        if self.is_single_example:
            return [NO_WORKSPACE]  # multiplies nothing
        while len(self._workspaces) < self.threads:
            self._workspaces.append(new_workspace())
        return self._workspaces[: self.threads]

    def _decay(self) -> None:
        """Apply the decoupled weight decay of the last SETTLE_EVERY steps.

        w *= exp(-lambda * sum of rates), without biases and pool weights (after Loshchilov, Hutter
        2019, "Decoupled weight decay regularization").
        """
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
        """Run the kernel, with a thread for each workspace."""
        if self.is_single_example:
            run_parallel(
                1,
                single_example.train_examples,
                lambda *_: (
                    losses, self.state, self.scratch, self.tokens, rates,
                    self.network, self.plan, self.step,
                ),
            )  # fmt: skip
        else:
            units = self._units.addresses() if rates.size else NO_UNITS
            threads = len(workspaces)
            if threads > len(self._private):
                self._private = np.zeros((threads, PRIVATE_SIZE), dtype=np.int64)
            run_parallel(
                threads,
                steps.train_steps,
                lambda index, worker: (
                    losses, self.state, self.scratch, workspaces[index], worker, units, self.tokens,
                    rates, self.network, self.plan, self.step,
                ),
                self._private,
            )  # fmt: skip

    def snapshot(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return (params, momentum), float32[n] each, with every row settled.

        They are copies, since settling rounds: reading must not change what training continues
        with. Momentum is zeros where training has none (beta = 0); the array is scratch then.
        """
        copy = State(*map(aligned_copy, self.state))
        if self.is_single_example:
            single_example.settle_everything(copy, self.network, self.plan, self.step)
        else:
            embedding.settle_all(copy, self.network, self.plan, self.step)
        if self.plan.beta == 0:
            copy.momentum[:] = 0
        return copy.params, copy.momentum

    def gradient(self) -> tuple[float, NDArray[np.float32]]:
        """Return (mean loss, gradient float32[n]) of the next step's batch; change nothing."""
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


def plan_of(
    model: ModelConfig,
    training: TrainingConfig,
    examples: int,
    table_size: int,
    tile: int | None = None,
) -> Plan:
    """Return the plan of a step.

    table_size : the number of tokens in the token table, 0 for none
    tile : rows of a tile of the row sweep
    """
    batch = training.batch
    tile = row_tile(batch) if tile is None else tile
    row_tiles = -(-batch // tile)
    columns = column_tiles(model, batch)
    updates = update_tiles(model, batch, table_size)
    table_tiles = table_embedding_tiles(model, table_size)
    block = 0
    if training.shuffle_window is not None and training.shuffle_window < examples:
        block = max(1, training.shuffle_window // _WINDOW_BLOCKS)
    return Plan(
        batch=batch,
        row_tile=tile,
        row_tiles=row_tiles,
        phases=phase_starts(
            row_tiles, len(columns), len(updates), table_tiles, model.context * bool(table_tiles)
        ),
        columns=columns,
        sweeps_columns=int(sweeps_columns(model)),
        updates=updates,
        logit_columns=logit_columns(tile),
        transposed_from=transposed_from(),
        table_tiles=table_tiles,
        first_target=first_target(model),
        examples=examples,
        shuffle=int(training.shuffle),
        shuffle_block=block,
        shuffle_window=_WINDOW_BLOCKS,
        seed=training.seed,
        dropout=float(training.dropout),
        embed_dropout=float(training.embed_dropout),
        beta=float(training.momentum),
        embed_scale=float(training.embed_lr_scale),
        first_row=0,
        row_stride=1,
    )


def scratch_of(plan: Plan, model: ModelConfig, layout: Layout, ids: NDArray[np.int32]) -> Scratch:
    """Return the memory of a step; ``ids`` int32[D] are those of the token table."""
    far = sum(model.far) * model.embed
    pairs = ids.size * model.context
    rows = np.full(model.vocab if ids.size else 0, -1, dtype=np.int32)
    rows[ids] = np.arange(ids.size)
    values = aligned_empty(pairs * model.hidden[0] if ids.size else 0, np.float32)
    buffers = _LOOKAHEAD if plan.batch == 1 else _BUFFERED_BATCHES
    embedding_tiles = int((plan.updates[:, LAYER] == EMBEDDING).sum())
    blocks = -(-model.head // plan.logit_columns)
    d_columns = 0
    for layer, start, stop, block, before in plan.columns.tolist():
        blocks = max(blocks, -(-(stop - start) // block))
        d_columns = before + int(layout.kernel_table[layer, FAN_IN])
    transposed = bool((layout.kernel_table[:, FAN_OUT] >= plan.transposed_from).any())
    return Scratch(
        contexts=np.empty((buffers, plan.batch * model.span), dtype=np.int32),
        targets=np.empty((buffers, plan.batch), dtype=np.int32),
        cluster_starts=np.zeros((2, len(model.cutoffs) + 1), dtype=np.int64),
        inputs=aligned_empty(plan.batch * layout.widths, np.float32),
        d_inputs=aligned_empty(plan.batch * layout.widths, np.float32),
        inputs_t=aligned_empty(plan.batch * layout.widths * transposed, np.float32),
        d_columns=aligned_empty(plan.batch * d_columns, np.float32),
        logits=aligned_empty(plan.batch * _logits_per_row(model), np.float32),
        softmax_state=np.empty(
            (plan.batch * (1 + len(plan.columns)), STATE_BLOCK_MAX + blocks), np.float64
        ),
        tile_losses=np.empty(plan.row_tiles, dtype=np.float64),
        d_far=np.empty(plan.row_tiles * far, dtype=np.float32),
        far_weights=np.empty(far, dtype=np.float32),
        occurrences=np.empty((embedding_tiles, plan.batch * model.span), dtype=np.int32),
        decays=np.empty((2, SETTLE_EVERY + 1), dtype=np.float64),
        token_table=TokenTable(values, rows, ids),
        table_offsets=np.empty(plan.batch * model.context * bool(ids.size), dtype=np.int32),
        table_embeddings=aligned_empty(pairs * model.embed, np.float32),
        rows_by_token=np.empty(plan.batch * model.context * bool(ids.size), dtype=np.int32),
        token_starts=np.empty((pairs + model.context) * bool(ids.size), dtype=np.int32),
    )


def _logits_per_row(model: ModelConfig) -> int:
    """Return a row's logits: of the output, and of the largest cluster of an adaptive softmax."""
    return model.head + max((stop - start for start, stop, _ in model.clusters), default=0)
