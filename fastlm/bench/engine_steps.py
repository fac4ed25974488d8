"""Training steps by the engine: compiled, and as plain Python in a process without JIT."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastlm.bench.implementations import Implementation, threads_text
from fastlm.bench.workloads import Workload, initial_params, tokens
from fastlm.engine.training import TrainingEngine

__all__ = ["Engine", "PlainKernels", "ends_without_jit"]

# FLOP of a step that takes about a second without JIT: Mini with one example.
_MOST_FLOPS_WITHOUT_JIT = 1_500_000


class Engine(Implementation):
    """The compiled kernels, with ``threads`` threads or (None) the engine's own choice."""

    kind = "engine"

    def __init__(self, workload: Workload, threads: int | None = None) -> None:
        self._workload = workload
        self._threads = threads
        self.restart()
        self.threads = self._engine.threads
        self.name = f"fastlm, {threads_text(self.threads)}"

    def restart(self) -> None:
        """Start again at the initial weights and the first batch, in new arrays."""
        workload, threads = self._workload, self._threads
        self._engine = TrainingEngine(
            workload.model, workload.training(threads), tokens(workload), initial_params(workload)
        )
        if threads is not None:
            self._engine.threads = threads

    def run(self, steps: int) -> NDArray[np.float64]:
        """Do the next ``steps`` training steps; return the mean loss of each batch, nats."""
        return self._engine.run(np.full(steps, self._workload.lr))

    def params(self) -> NDArray[np.float32]:
        """Return the current weights, float32[n]."""
        return self._engine.snapshot()[0]


class PlainKernels(Engine):
    """The kernels as plain Python, in a process with NUMBA_DISABLE_JIT=1."""

    kind = "nojit"

    def __init__(self, workload: Workload) -> None:
        super().__init__(workload, threads=1)
        self.name = "fastlm, JIT off"


def ends_without_jit(workload: Workload) -> bool:
    """Return whether a step without JIT ends within about a second."""
    return workload.flops_per_token * workload.batch <= _MOST_FLOPS_WITHOUT_JIT
