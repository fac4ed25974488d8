"""Training steps by the reference systems: Tiny in pure Python, Mini in NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastlm.bench.implementations import Implementation, ready_batches
from fastlm.bench.workloads import Workload, initial_params
from fastlm.model.reference_weights import from_reference, to_mini, to_tiny
from fastlm.reference import tiny
from fastlm.reference.mini import cross_entropy_loss

__all__ = ["Numpy", "PurePython"]


class PurePython(Implementation):
    """``fastlm.reference.tiny``, one example at a time."""

    kind = "python"

    def __init__(self, workload: Workload) -> None:
        self.name = "pure Python"
        self.threads = 1
        self._workload = workload
        contexts, targets = ready_batches(workload)
        self._examples = list(zip(contexts[:, 0].tolist(), targets[:, 0].tolist(), strict=True))
        self.restart()

    def restart(self) -> None:
        self._weights = to_tiny(initial_params(self._workload), self._workload.model)
        self._next = 0

    def run(self, steps: int) -> list[float]:
        examples, weights, lr = self._examples, self._weights, self._workload.lr
        losses = []
        for step in range(self._next, self._next + steps):
            context, target = examples[step % len(examples)]
            losses.append(tiny.backward_pass(context, target, weights, lr))
        self._next += steps
        return losses

    def params(self) -> NDArray[np.float32]:
        return from_reference(self._weights, self._workload.model)


class Numpy(Implementation):
    """``fastlm.reference.mini`` in float32, with whole batches.

    Its matrix products run on as many threads as NumPy's BLAS takes by itself.
    """

    kind = "numpy"

    def __init__(self, workload: Workload, threads: int) -> None:
        self.name = "NumPy"
        self.threads = threads
        self._workload = workload
        self._contexts, self._targets = ready_batches(workload)
        self.restart()

    def restart(self) -> None:
        workload = self._workload
        self._mini = to_mini(
            initial_params(workload),
            workload.model,
            learning_rate=workload.lr,
            momentum=workload.momentum,
            dtype=np.float32,
        )
        self._next = 0

    def run(self, steps: int) -> list[float]:
        mini = self._mini
        losses = []
        for step in range(self._next, self._next + steps):
            batch = step % len(self._targets)
            targets = self._targets[batch]
            probs, cache = mini.forward(self._contexts[batch])
            losses.append(cross_entropy_loss(probs, targets))
            mini.update_params(mini.backward(probs, targets, cache))
        self._next += steps
        return losses

    def params(self) -> NDArray[np.float32]:
        return from_reference(self._mini, self._workload.model)
