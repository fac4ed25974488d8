"""The engine: compiled kernels, in this process."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastlm.bench.implementations import Implementation
from fastlm.bench.works import Work, initial_params, tokens
from fastlm.engine.training import TrainingEngine

__all__ = ["Engine"]


class Engine(Implementation):
    """With a number of threads, or (None) with what the engine takes by itself."""

    kind = "engine"

    def __init__(self, work: Work, threads: int | None = None) -> None:
        self._work = work
        self._threads = threads
        self.renew()
        self.threads = self._engine.threads
        self.name = f"fastlm, {self.threads} thread{'s' if self.threads > 1 else ''}"
        self._rate = work.lr

    def renew(self) -> bool:
        work, threads = self._work, self._threads
        self._engine = TrainingEngine(
            work.model, work.training(threads), tokens(work), initial_params(work)
        )
        if threads is not None:
            self._engine.threads = threads
        return True

    def rest(self) -> None:
        del self._engine

    def run(self, steps: int) -> NDArray[np.float64]:
        return self._engine.run(np.full(steps, self._rate))

    def params(self) -> NDArray[np.float32]:
        return self._engine.snapshot()[0]
