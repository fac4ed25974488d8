"""Divergence: numbers that are not finite, losses that explode, and the way back from both.

A model that knows nothing has a loss of ln V nats. A run has diverged if its recent loss exceeds by
more than two nats both ln V and the lowest recent loss so far. Two nats above ln V is seven times
the perplexity of blind guessing; a model that goes on with another text may start far above ln V.

The recent loss is a mean over about 8,000 examples with decaying weights: single small batches and
the first steps at a high rate may be far worse and recover. It is checked every 65,536 examples and
at the end of the run, at steps that do not depend on the clock. After each check a snapshot is
taken, to which training is rolled back, with half the learning rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.engine.training import TrainingEngine
from fastlm.errors import TrainingError
from fastlm.training.run_state import RunState
from fastlm.wording import setting
from fastlm_kernels.passes.training import count_nonfinite

__all__ = [
    "BadNumbers",
    "RecentLoss",
    "Snapshot",
    "check_finite",
    "diverged_error",
    "rollback",
    "snapshot_steps",
    "take_snapshot",
]

# Examples between two snapshots. Copying the state costs about as much as a dozen examples.
_SNAPSHOT_EXAMPLES = 65_536
# Examples after which a loss counts 1/e in the recent loss.
_RECENT_EXAMPLES = 8192
# Examples below which the recent loss says nothing yet.
_LEAST_EXAMPLES = 1024
# Nats above the loss of knowing nothing.
_MARGIN = 2.0
# Rollbacks after which training gives up.
_MOST_ROLLBACKS = 3


class BadNumbers(Exception):
    """Training has gone wrong; the text says where and how."""


def snapshot_steps(batch: int) -> int:
    """Return the steps between two snapshots."""
    return max(1, _SNAPSHOT_EXAMPLES // batch)


@dataclass(frozen=True)
class Snapshot:
    """A state to roll back to."""

    run: RunState
    arrays: dict[str, NDArray[Any]]
    """Copies of the engine's arrays, by field of ``State``."""
    best: NDArray[np.float32] | None
    """The best parameters so far; shared, since they are never modified."""

    def copy(self) -> Snapshot:
        """Return a copy whose arrays may be written to."""
        return Snapshot(self.run.copy(), {k: v.copy() for k, v in self.arrays.items()}, self.best)


def take_snapshot(
    engine: TrainingEngine,
    run: RunState,
    best: NDArray[np.float32] | None,
    previous: Snapshot | None = None,
) -> Snapshot:
    """Copy the state of a run, into the arrays of the ``previous`` snapshot if there is one."""
    state = engine.state._asdict()
    arrays = {k: v.copy() for k, v in state.items()} if previous is None else previous.arrays
    for name, array in state.items():
        np.copyto(arrays[name], array)
    return Snapshot(run.copy(), arrays, best)


def rollback(engine: TrainingEngine, good: Snapshot, failed: RunState, cause: str) -> RunState:
    """Put the ``good`` state back into the engine; return its run with half the learning rate.

    The duration, the rows and the rollbacks of the ``failed`` run are kept.
    """
    for name, array in engine.state._asdict().items():
        np.copyto(array, good.arrays[name])
    engine.step = good.run.step
    run = good.run.copy()
    for name in ("seconds", "training_seconds", "rate_factor", "rollbacks", "rows"):
        setattr(run, name, getattr(failed, name))
    if len(failed.rollbacks) < _MOST_ROLLBACKS:
        run.rate_factor = failed.rate_factor / 2
        fact = {"step": failed.step, "back_to": run.step, "cause": cause}
        run.rollbacks = [*failed.rollbacks, fact | {"rate_factor": run.rate_factor}]
    return run


def diverged_error(cause: str, base_lr: float) -> TrainingError:
    """Return the error of a run that diverged after its last rollback."""
    return TrainingError(
        f"{cause}, after going back {_MOST_ROLLBACKS} times and halving the learning rate each "
        f"time: training diverged at learning rate {base_lr:g}; start again with a smaller one, "
        f"e.g. {setting('lr', float(f'{base_lr / 2 ** (_MOST_ROLLBACKS + 2):g}'))}"
    )


def check_finite(losses: NDArray[np.float64], params: NDArray[np.float32], step: int) -> None:
    """Raise BadNumbers if a loss or a weight is not finite after a compiled call.

    losses : float64[steps], nats; params : float32[n]; ``step`` steps are done after the call.
    """
    bad = np.flatnonzero(~np.isfinite(losses))
    if bad.size:
        first = int(bad[0])
        raise BadNumbers(f"the loss is {losses[first]} at step {step - losses.size + first}")
    if count_nonfinite(params):
        raise BadNumbers(f"weights are not finite after step {step}")


class RecentLoss:
    """The mean loss of the last few thousand examples, kept in ``RunState.recent_loss``."""

    def __init__(self, vocab: int, batch: int) -> None:
        self._blind = math.log(vocab)
        decay = math.exp(-batch / _RECENT_EXAMPLES)
        # Weights of losses by age in steps. A call never runs more steps than these.
        self._weights = decay ** np.arange(snapshot_steps(batch) + 1)
        # The sum of the weights of _LEAST_EXAMPLES examples; the last factor allows for rounding.
        steps = max(1, math.ceil(_LEAST_EXAMPLES / batch))
        self._least = (1 - decay**steps) / (1 - decay) * (1 - 1e-9) if decay else 1.0

    def add(self, run: RunState, losses: NDArray[np.float64]) -> None:
        """Count the losses, float64[steps] in nats, of the steps just run."""
        if math.isnan(run.lowest_recent_loss):
            run.lowest_recent_loss = float(losses[0])
        total, weight = run.recent_loss
        weights = self._weights[: losses.size]
        past = self._weights[losses.size]
        run.recent_loss = (
            float(total * past + weights[::-1] @ losses),
            float(weight * past + weights.sum()),
        )

    def exploded(self, run: RunState) -> bool:
        """Tell whether the recent loss is that of a run that has diverged."""
        return self._mean(run) > self._limit(run)

    def check(self, run: RunState) -> None:
        """Raise BadNumbers if the loss has exploded; else update ``run.lowest_recent_loss``."""
        mean = self._mean(run)
        if mean > self._limit(run):
            raise BadNumbers(
                f"the loss has grown to {mean:.4g} nats at step {run.step} (knowing nothing is "
                f"{self._blind:.4g})"
            )
        if mean > 0:
            run.lowest_recent_loss = min(run.lowest_recent_loss, mean)

    def _limit(self, run: RunState) -> float:
        lowest = run.lowest_recent_loss
        return max(self._blind, self._blind if math.isnan(lowest) else lowest) + _MARGIN

    def _mean(self, run: RunState) -> float:
        """Nats; 0 as long as there are too few examples to tell."""
        total, weight = run.recent_loss
        return total / weight if weight >= self._least else 0.0
