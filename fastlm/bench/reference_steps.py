"""Training steps by the reference systems: Tiny in pure Python, Mini in NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastlm.bench.implementations import StepByStep, ready_batches
from fastlm.bench.workloads import Workload, initial_params
from fastlm.model.reference_weights import from_reference, to_mini, to_tiny
from fastlm.reference import tiny
from fastlm.reference.mini import cross_entropy_loss

__all__ = ["Numpy", "PurePython"]


class PurePython(StepByStep):
    """``fastlm.reference.tiny``, one example at a time."""

    kind, name, threads = "python", "pure Python", 1

    def __init__(self, workload: Workload) -> None:
        contexts, targets = ready_batches(workload)
        examples = zip(contexts[:, 0].tolist(), targets[:, 0].tolist(), strict=True)
        super().__init__(workload, list(examples))

    def _build(self) -> None:
        self._weights = to_tiny(initial_params(self._workload), self._workload.model)

    def _step(self, contexts: list[int], targets: int) -> float:
        return tiny.backward_pass(contexts, targets, self._weights, self._workload.lr)

    def params(self) -> NDArray[np.float32]:
        """Return the current weights, float32[n]."""
        return from_reference(self._weights, self._workload.model)


class Numpy(StepByStep):
    """``fastlm.reference.mini`` in float32, with whole batches.

    Its matrix products run on as many threads as NumPy's BLAS takes by itself.
    """

    kind, name = "numpy", "NumPy"

    def __init__(self, workload: Workload, threads: int) -> None:
        self.threads = threads
        super().__init__(workload, list(zip(*ready_batches(workload), strict=True)))

    def _build(self) -> None:
        workload = self._workload
        self._mini = to_mini(
            initial_params(workload),
            workload.model,
            learning_rate=workload.lr,
            momentum=workload.momentum,
            dtype=np.float32,
        )

    def _step(self, contexts: NDArray[np.int64], targets: NDArray[np.int64]) -> float:
        probs, cache = self._mini.forward(contexts)
        loss = cross_entropy_loss(probs, targets)
        self._mini.update_params(self._mini.backward(probs, targets, cache))
        return loss

    def params(self) -> NDArray[np.float32]:
        """Return the current weights, float32[n]."""
        return from_reference(self._mini, self._workload.model)
