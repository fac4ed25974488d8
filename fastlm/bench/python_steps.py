"""Pure Python: ``fastlm.reference.tiny``, one example at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastlm.bench.implementations import Implementation, ready_batches
from fastlm.bench.works import Work, initial_params
from fastlm.model.reference_weights import from_reference, to_tiny
from fastlm.reference import tiny

__all__ = ["PurePython"]


class PurePython(Implementation):
    kind = "python"

    def __init__(self, work: Work) -> None:
        self.name = "pure Python"
        self.threads = 1
        self._work = work
        self._weights = to_tiny(initial_params(work), work.model)
        contexts, targets = ready_batches(work)
        self._examples = list(zip(contexts[:, 0].tolist(), targets[:, 0].tolist(), strict=True))
        self._next = 0

    def run(self, steps: int) -> list[float]:
        examples, weights, rate = self._examples, self._weights, self._work.lr
        losses = []
        for step in range(self._next, self._next + steps):
            context, target = examples[step % len(examples)]
            losses.append(tiny.backward_pass(context, target, weights, rate))
        self._next += steps
        return losses

    def params(self) -> NDArray[np.float32]:
        return from_reference(self._weights, self._work.model)
