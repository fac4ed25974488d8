"""The interface of a benchmarked implementation."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
from numpy.typing import NDArray

from fastlm.bench.workloads import Workload, batches

__all__ = ["Implementation", "TimedRun", "ready_batches"]

# Examples that are prepared for implementations that do not read the tokens, and the least number
# of batches; after them the first one comes again.
_READY_EXAMPLES = 16_384
_LEAST_BATCHES = 16


@lru_cache(maxsize=2)
def ready_batches(workload: Workload) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return contexts int64[N, B, C] and targets int64[N, B] of the first N batches.

    They are made ahead of time, which favours who gets them: the engine looks its batches up as
    part of the timed step.
    """
    return batches(workload, max(_LEAST_BATCHES, _READY_EXAMPLES // workload.batch))


@dataclass(frozen=True)
class TimedRun:
    """Wall time of some steps, and the mean loss of the last of them in nats."""

    steps: int
    seconds: float
    loss: float


class Implementation(ABC):
    """One way to do a workload: from its initial weights, batch after batch in a fixed order."""

    kind: str  # in a result: python, nojit, numpy, torch, torch-compile or engine
    name: str  # for people
    threads: int  # that it may use

    @abstractmethod
    def run(self, steps: int) -> Sequence[float] | NDArray[np.float64]:
        """Do the next ``steps`` training steps; return the mean loss of each batch, nats."""

    @abstractmethod
    def params(self) -> NDArray[np.float32]:
        """Return the current weights, float32[n], ordered as in ``fastlm.model.layout``."""

    @abstractmethod
    def restart(self) -> None:
        """Start again at the initial weights and the first batch, in new arrays."""

    def timed_run(self, steps: int) -> TimedRun:
        """Do the next ``steps`` training steps and measure their wall time."""
        start = time.perf_counter()
        losses = self.run(steps)
        return TimedRun(steps, time.perf_counter() - start, float(losses[-1]))

    def close(self) -> None:  # noqa: B027  most hold nothing
        """Release what it holds besides memory."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
