"""The interface of a benchmarked implementation, and what several implementations share."""

from __future__ import annotations

import importlib.util
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastlm.bench.workloads import Workload, batches
from fastlm.model.layout import Layout

__all__ = [
    "Implementation",
    "StepByStep",
    "TimedRun",
    "flat_params",
    "is_installed",
    "ready_batches",
    "threads_text",
]

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


def is_installed(package: str) -> bool:
    """Return whether a package can be imported."""
    return importlib.util.find_spec(package) is not None


def threads_text(threads: int) -> str:
    """Return the number of threads in words: 1 thread, 2 threads."""
    return f"{threads} thread{'s' if threads > 1 else ''}"


def flat_params(workload: Workload, tensors: Mapping[str, Any]) -> NDArray[np.float32]:
    """Return tensors by fastlm's names as one array, float32[n], ordered as in ``Layout``."""
    layout = Layout(workload.model)
    params = np.empty(layout.size, dtype=np.float32)
    for name, view in layout.views(params).items():
        view[...] = tensors[name]
    return params


@dataclass(frozen=True)
class TimedRun:
    """Wall time of some steps, and the mean loss of the last of them in nats."""

    steps: int
    seconds: float
    loss: float


class Implementation(ABC):
    """One way to do a workload: from its initial weights, batch after batch in a fixed order."""

    kind: str  # in a result: python, nojit, numpy, torch, torch-compile, jax or engine
    name: str  # for people
    threads: int  # that it may use

    @abstractmethod
    def run(self, steps: int) -> Sequence[float] | NDArray[np.floating]:
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
        """Return itself; it is closed at the end of the block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


class StepByStep(Implementation):
    """An implementation that Python calls for each step, with a batch made ahead of time."""

    def __init__(self, workload: Workload, batches: Sequence[tuple[Any, Any]]) -> None:
        self._workload = workload
        self._batches = batches
        self.restart()

    def restart(self) -> None:
        """Start again at the initial weights and the first batch, in new arrays."""
        self._next = 0
        self._build()

    def run(self, steps: int) -> list[float]:
        """Do the next ``steps`` training steps; return the mean loss of each batch, nats."""
        batches, first = self._batches, self._next
        self._next += steps
        return [self._step(*batches[i % len(batches)]) for i in range(first, self._next)]

    @abstractmethod
    def _build(self) -> None:
        """Make a model with the initial weights."""

    @abstractmethod
    def _step(self, contexts: Any, targets: Any) -> float:
        """Train on one batch; return its mean loss before the update, nats."""
