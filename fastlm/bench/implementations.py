"""Who can do a work, and what each has to be able to do."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
from numpy.typing import NDArray

from fastlm.bench.works import Work, batches

__all__ = ["Implementation", "Turn", "ready_batches"]

# Batches that are prepared for those who do not read the tokens themselves; they start over then.
_READY_TOKENS = 16_384
_LEAST_READY = 16


@lru_cache(maxsize=2)
def ready_batches(work: Work) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Contexts int64[N, B, C] and targets int64[N, B] of the first N batches, made ahead of time.

    In the timings this favours whoever gets them: the engine looks its batches up as it goes.
    """
    return batches(work, max(_LEAST_READY, _READY_TOKENS // work.batch))


@dataclass(frozen=True)
class Turn:
    """What one turn took and where it led.

    seconds : wall time of ``steps`` steps
    loss : mean loss of the last of them, nats
    """

    steps: int
    seconds: float
    loss: float


class Implementation(ABC):
    """One way of doing a work: starts from its weights, takes its batches in their order.

    kind : what it is, for finding it in a result
    name : the same for people
    threads : that it may use
    seconds_elsewhere : processor time that it has used so far in other processes
    """

    kind: str
    name: str
    threads: int
    seconds_elsewhere: float = 0.0

    @abstractmethod
    def run(self, steps: int) -> Sequence[float] | NDArray[np.float64]:
        """Do the next ``steps`` training steps; returns the mean loss of each batch, nats."""

    @abstractmethod
    def params(self) -> NDArray[np.float32]:
        """The weights now, float32[n], in the order of ``fastlm.model.layout.Layout``."""

    def turn(self, steps: int) -> Turn:
        """Do ``steps`` steps and say how long they took."""
        start = time.perf_counter()
        losses = self.run(steps)
        return Turn(steps, time.perf_counter() - start, float(losses[-1]))

    def renew(self) -> bool:
        """Begin again at the first weights, in memory taken anew; returns whether it does so.

        Not where that would take seconds.
        """
        return False

    def rest(self) -> None:  # noqa: B027  some keep what they have
        """Let go of what ``renew`` makes anew, until it does."""

    def close(self) -> None:  # noqa: B027  most hold nothing
        """Let go of what it holds."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
