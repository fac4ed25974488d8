"""NumPy: ``fastlm.reference.mini`` in float32, with whole batches."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastlm.bench.implementations import Implementation, ready_batches
from fastlm.bench.works import Work, initial_params
from fastlm.model.reference_weights import from_reference, to_mini
from fastlm.reference.mini import cross_entropy_loss

__all__ = ["Numpy"]


class Numpy(Implementation):
    """Its matrix products run on as many threads as NumPy's BLAS takes by itself."""

    kind = "numpy"

    def __init__(self, work: Work, threads: int) -> None:
        self.name = "NumPy"
        self.threads = threads
        self._work = work
        self._contexts, self._targets = ready_batches(work)
        self.renew()

    def renew(self) -> bool:
        work = self._work
        self._mini = to_mini(
            initial_params(work),
            work.model,
            learning_rate=work.lr,
            momentum=work.momentum,
            dtype=np.float32,
        )
        self._next = 0
        return True

    def rest(self) -> None:
        del self._mini

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
        return from_reference(self._mini, self._work.model)
