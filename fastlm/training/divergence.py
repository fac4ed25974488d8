"""Has training gone wrong? Numbers that are not finite, and losses that explode without being so.

The loss of a model that knows nothing is ln V nats. A run has diverged where the recent loss lies
more than two nats above that (its perplexity is more than seven times that of blind guessing), and
as far above the lowest recent loss that it has had: a model that goes on with another text may
begin far above ln V.

"Recent" is a mean over some 8,000 examples, weighted by how long ago they were: single batches,
above all small ones, and the first steps at a high rate may be far worse than that and recover. It
is compared every 65,536 examples, where a copy of the good state is made, and at the end of the
run: steps that do not depend on the clock.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fastlm.training.run_state import RunState
from fastlm_kernels.passes.training import count_nonfinite

__all__ = ["BadNumbers", "RecentLoss", "check_finite", "snapshot_steps"]

# A copy of the state costs about as much as a dozen examples of a dense model: next to nothing.
_SNAPSHOT_EXAMPLES = 65_536


_RECENT_EXAMPLES = 8192


_LEAST_EXAMPLES = 1024


# Nats above the loss of knowing nothing.
_MARGIN = 2.0


class BadNumbers(Exception):
    """Training has gone wrong; the text says where and how."""


def snapshot_steps(batch: int) -> int:
    """Steps between two copies of the good state."""
    return max(1, _SNAPSHOT_EXAMPLES // batch)


def check_finite(losses: NDArray[np.float64], params: NDArray[np.float32], step: int) -> None:
    """BadNumbers if a loss [steps] of the chunk that ended after ``step`` steps is not finite, or
    a weight after it."""
    bad = np.flatnonzero(~np.isfinite(losses))
    if bad.size:
        first = int(bad[0])
        raise BadNumbers(f"the loss is {losses[first]} at step {step - losses.size + first}")
    if count_nonfinite(params):
        raise BadNumbers(f"weights are not finite after step {step}")


class RecentLoss:
    """The mean loss of the last few thousand examples, kept in ``RunState.recent``.

    vocab : V; batch : B
    """

    def __init__(self, vocab: int, batch: int) -> None:
        self._blind = math.log(vocab)
        self._decay = math.exp(-batch / _RECENT_EXAMPLES)
        # The weight of the loss of so many steps ago; a chunk is never longer.
        self._weights = self._decay ** np.arange(snapshot_steps(batch) + 1)
        # The sum of the weights after so many examples.
        self._least = 1.0 if self._decay == 0 else _sum_of_weights(self._decay, batch)

    def add(self, run: RunState, losses: NDArray[np.float64]) -> None:
        """Count the losses [steps] of the steps just run."""
        if math.isnan(run.usual):
            run.usual = float(losses[0])
        total, weight = run.recent
        weights = self._weights[: losses.size]
        past = self._weights[losses.size]
        run.recent = (
            float(total * past + weights[::-1] @ losses),
            float(weight * past + weights.sum()),
        )

    def exploded(self, run: RunState) -> bool:
        return self._mean(run) > self._limit(run)

    def check(self, run: RunState) -> None:
        """BadNumbers if the recent loss is far above all that is usual; else it may become what is
        usual."""
        mean = self._mean(run)
        if mean > self._limit(run):
            raise BadNumbers(
                f"the loss has grown to {mean:.4g} nats at step {run.step} (knowing nothing is "
                f"{self._blind:.4g})"
            )
        if mean > 0:
            run.usual = min(run.usual, mean)

    def _limit(self, run: RunState) -> float:
        usual = self._blind if math.isnan(run.usual) else run.usual
        return max(self._blind, usual) + _MARGIN

    def _mean(self, run: RunState) -> float:
        """0 as long as too little was seen."""
        total, weight = run.recent
        return total / weight if weight >= self._least else 0.0


def _sum_of_weights(decay: float, batch: int) -> float:
    steps = max(1, math.ceil(_LEAST_EXAMPLES / batch))
    return (1 - decay**steps) / (1 - decay) * (1 - 1e-9)
