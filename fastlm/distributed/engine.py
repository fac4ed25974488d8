"""The training engine of a rank: the gradient of its shards, the sum over all ranks, the update.

Every rank has the whole state, and all have the same: each can validate, be rolled back, and write
a checkpoint.
"""

from __future__ import annotations

import dataclasses
import time
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.config import ModelConfig, TrainingConfig
from fastlm.distributed.agreement import agreed
from fastlm.distributed.communicator import Communicator
from fastlm.distributed.exchange import Region, TreeSum
from fastlm.distributed.shards import SHARDS, check_batch, check_ranks, levels_of, shards_of
from fastlm.engine.compiling import compile_together
from fastlm.engine.parallel import run_parallel
from fastlm.engine.training import TrainingEngine, plan_of, scratch_of
from fastlm.engine.training_units import NO_UNITS, TrainingUnits
from fastlm.errors import TrainingError
from fastlm.model.layout import Layout
from fastlm_kernels.layers.embedding import SETTLE_EVERY
from fastlm_kernels.linalg.gemm import NO_WORKSPACE, Workspace, new_workspace
from fastlm_kernels.passes import shard_update
from fastlm_kernels.passes import shards as kernels
from fastlm_kernels.runtime.alignment import aligned_empty, aligned_zeros
from fastlm_kernels.runtime.jit import compile_for, is_cached
from fastlm_kernels.runtime.scheduler import PRIVATE_SIZE, no_worker

__all__ = ["ShardedEngine"]

_UNITS = (
    "output", "forward", "backward", "columns", "columns_backward", "columns_to_rows",
    "column_sums",
)  # fmt: skip
_ROWS = 128  # of a tile of a shard: shards, not tiles, keep threads busy
_UPDATE_ELEMENTS = 64 * 1024  # of a tile of the update
_CHECK_EVERY = 1000  # steps between two comparisons of the parameters of all ranks


class ShardedEngine(TrainingEngine):
    """A ``TrainingEngine`` whose steps are shared by the ranks of a communicator.

    All ranks have the same arguments and make the same calls; all have the same state after them,
    whatever the number of ranks: the same bits.

    Parameters
    ----------
    model, training, tokens, params
        See ``TrainingEngine``.
    communicator : Communicator

    Attributes
    ----------
    seconds : float
        Time spent in ``run`` so far.
    steps_run : int
        Steps of all calls of ``run`` so far.

    Raises
    ------
    ConfigError
        For a batch that the shards do not divide, and for more ranks than shards.
    """

    def __init__(
        self,
        model: ModelConfig,
        training: TrainingConfig,
        tokens: Any,
        params: NDArray[np.float32],
        communicator: Communicator,
    ) -> None:
        check_batch(training)
        check_ranks(communicator.size)
        super().__init__(model, training, tokens, params)
        self.communicator = communicator
        self.seconds = 0.0
        self.steps_run = 0
        self._own = shards_of(communicator.rank, communicator.size)
        part = dataclasses.replace(training, batch=training.batch // SHARDS)
        rows = min(part.batch, _ROWS)
        plan = plan_of(model, part, self.examples, 0, rows)
        self._shard_plan = plan._replace(row_stride=SHARDS)
        layout = Layout(model)
        no_ids = np.empty(0, dtype=np.int32)
        one = scratch_of(self._shard_plan, model, layout, no_ids)
        self._shard_scratch = _repeated(one, len(self._own))
        self._shard_units = TrainingUnits(
            self._shard_plan,
            (self.state, one, NO_WORKSPACE, self.network, self._shard_plan),
            _UNITS,
        )
        self._sums = np.stack([aligned_zeros(layout.size, np.float32)] * levels_of(self._own))
        self._losses = np.zeros(len(self._own), dtype=np.float64)
        self._slots = np.zeros((2, training.batch * model.span), dtype=np.int32)
        self._slot_of = np.full(model.vocab, -1, dtype=np.int32)
        tiles = len(self._shard_plan.columns) + len(self._shard_plan.updates)
        self._phases = np.array([0, len(self._own), len(self._own) + tiles], dtype=np.int64)
        self._buckets = 1 if training.batch * model.span * model.embed < 1 << 17 else 4
        rest = layout.size - model.vocab * model.embed
        self._update = np.array(
            [0, self._buckets + max(1, rest // _UPDATE_ELEMENTS)], dtype=np.int64
        )
        self._exchange = TreeSum(communicator)

    @property
    def communication(self) -> float:
        """The share of the time in ``run`` so far, 0 to 1, that went into communication."""
        return self._exchange.seconds / self.seconds if self.seconds else 0.0

    @property
    def bytes_sent(self) -> int:
        """What this rank has sent so far."""
        return self._exchange.bytes_sent

    @property
    def is_compiled(self) -> bool:
        """Whether ``run`` needs no compiling, in this process or thanks to the cache."""
        drivers = (kernels.prepare_batch, kernels.shard_gradients, shard_update.apply_sum)
        return all(map(is_cached, drivers)) and self._shard_units.are_cached

    def compile(self) -> None:
        """Compile what ``run`` calls: rank 0 first, so that others may find it in the cache."""
        for leads in (True, False):
            if (self.communicator.rank == 0) == leads:
                compile_together(self.compilations())
            self.communicator.gather(None)

    def compilations(self, every_unit: bool = False) -> dict[str, Callable[[], object]]:
        """Return what ``run`` needs compiled, by name, and what compiles or loads each."""
        gradients = (*self._gradient_arguments(0, NO_WORKSPACE, no_worker(), NO_UNITS, 0),)
        update = self._update_arguments(no_worker(), 0, 0, 0.0)
        drivers: dict[str, Callable[[], object]] = {
            "shard_gradients": partial(compile_for, kernels.shard_gradients, gradients),
            "apply_sum": partial(compile_for, shard_update.apply_sum, update),
            "prepare_batch": partial(
                compile_for, kernels.prepare_batch, self._prepare_arguments(0)
            ),
            "settle_rows": partial(
                compile_for, shard_update.settle_rows, self._settle_arguments(0, 0)
            ),
        }
        return drivers | self._shard_units.compilations(every_unit) | {"product": new_workspace}

    def run(self, rates: NDArray[np.float64]) -> NDArray[np.float64]:
        """Run one step per learning rate; see ``TrainingEngine.run``.

        Raises
        ------
        TrainingError
            If the parameters of a rank are not those of the others.
        """
        started = time.perf_counter()
        if self._check_unchanged is not None:
            self._check_unchanged()
        first = self.step
        own = np.empty((rates.size, len(self._own)), dtype=np.float64)
        count = kernels.prepare_batch(*self._prepare_arguments(self.step))
        shard_update.settle_rows(*self._settle_arguments(count, self.step))
        for nth, rate in enumerate(np.asarray(rates, dtype=np.float64).tolist()):
            count = self._run_step(rate, count)
            own[nth] = self._losses
        check = None
        if self.step // _CHECK_EVERY > first // _CHECK_EVERY:
            check = zlib.crc32(self.state.params.view(np.uint8).data)
        answers = self.communicator.gather((own, check))
        self._compare([check for _, check in answers])
        shards = np.concatenate([losses for losses, _ in answers], axis=1)
        total = np.zeros(rates.size)
        for shard in range(SHARDS):
            total += shards[:, shard]
        self.seconds += time.perf_counter() - started
        self.steps_run += rates.size
        return total / self.training.batch

    def _run_step(self, rate: float, count: int) -> int:
        """Run a step whose batch is prepared; return the number of ids of the next batch."""
        step = self.step
        workspaces = self._thread_workspaces()
        units = self._shard_units.addresses()
        self._parallel(
            kernels.shard_gradients,
            lambda index, worker: self._gradient_arguments(
                count, workspaces[index], worker, units, step
            ),
        )
        running = self._exchange.start(self._sums, self._regions(count))
        self.state.rates[step % self.state.rates.size] = rate
        next_count = int(kernels.prepare_batch(*self._prepare_arguments(step + 1)))
        shard_update.settle_rows(*self._settle_arguments(0, step + 1))  # tabulates the decays
        self._exchange.finish(running)
        self._parallel(
            shard_update.apply_sum,
            lambda index, worker: self._update_arguments(worker, count, next_count, rate),
        )
        self.step += 1
        if self.training.weight_decay and self.step % SETTLE_EVERY == 0:
            self._decay()
        return next_count

    def _parallel(self, kernel: Any, arguments: Callable[[int, Any], Sequence[Any]]) -> None:
        if self.threads > len(self._private):
            self._private = np.zeros((self.threads, PRIVATE_SIZE), dtype=np.int64)
        run_parallel(self.threads, kernel, arguments, self._private)

    def _prepare_arguments(self, step: int) -> tuple[Any, ...]:
        return (
            self.scratch, self._slots, self._slot_of, self.tokens, self.network, self.plan, step,
        )  # fmt: skip

    def _settle_arguments(self, count: int, step: int) -> tuple[Any, ...]:
        return (
            self.scratch.decays, self.state, self._slots[step % 2], count, self.network, self.plan,
            step,
        )  # fmt: skip

    def _gradient_arguments(
        self, count: int, workspace: Workspace, worker: Any, units: Any, step: int
    ) -> tuple[Any, ...]:
        return (
            self._sums, self._losses, self.state, self._shard_scratch, workspace, worker, units,
            self.scratch, self._slot_of, count, self.network, self._shard_plan, self._own.start,
            len(self._own), SHARDS, self._phases, step,
        )  # fmt: skip

    def _update_arguments(
        self, worker: Any, count: int, next_count: int, rate: float
    ) -> tuple[Any, ...]:
        return (
            self._sums[0], self.scratch.decays, self.state, worker, self._slots, count, next_count,
            self.network, self.plan, self._buckets, self._update, self.step, rate,
        )  # fmt: skip

    def _regions(self, count: int) -> list[Region]:
        """Return what is exchanged: embeddings that occurred, and layers but for idle clusters."""
        table = self.network.layers
        regions = [(0, count * self.model.embed)]
        start, size = self.model.vocab * self.model.embed, self.state.params.size
        starts = self.scratch.cluster_starts[self.step % 2]
        depth = self.network.depth
        for cluster in range(1, len(self.model.cutoffs) + 1):
            if starts[cluster - 1] == starts[cluster]:  # no target in it: its gradient is zero
                projection = depth + 2 * (cluster - 1)
                stop = size
                if projection + 2 < len(table):
                    stop = int(table[projection + 2, 2])
                regions.append((start, int(table[projection, 2])))
                start = stop
        return [*regions, (start, size)]

    def _compare(self, checks: list[int | None]) -> None:
        for rank, check in enumerate(checks):
            if check != checks[0]:
                raise agreed(
                    TrainingError(
                        f"rank {rank} has other parameters than rank 0 after step {self.step:,}; "
                        "its machine may be faulty: resume without it"
                    )
                )


def _repeated(scratch: Any, count: int) -> Any:
    """Return a Scratch with room for ``count`` of them, one after the other in each array."""
    values = {}
    for name, array in scratch._asdict().items():
        if isinstance(array, np.ndarray) and name not in ("decays", "occurrences"):
            more = (array.shape[0] * count, *array.shape[1:])
            if array.dtype == np.float32:
                array = aligned_empty(more[0], np.float32)
            else:
                array = np.zeros(more, dtype=array.dtype)
        values[name] = array
    return type(scratch)(**values)
