"""How fast would a model train here? Steps for a second at most tell."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from fastlm.config import ModelConfig, TrainingConfig
from fastlm.engine.tiling import step_flops
from fastlm.engine.training import TrainingEngine
from fastlm.model.initialization import as_if_trained

__all__ = ["SpeedProbe"]

# A share of the run, within bounds. The fastest of some parts counts: what else the machine does
# at the moment says nothing of the minutes to come.
_SHARE = 0.01


_LEAST, _MOST = 0.15, 1.0


_PARTS = 5


class SpeedProbe:
    """Examples a second on these tokens.

    The first model asked about is tried out; for others the same number of operations a second is
    expected, so that comparing sizes costs nothing.
    """

    def __init__(self, tokens: Any) -> None:
        self._tokens = tokens
        self._known: tuple[float, float] | None = None

    def __call__(self, model: ModelConfig, training: TrainingConfig) -> float:
        flops = step_flops(model, training.batch) / training.batch
        if self._known is None:
            self._known = self._measure(model, training), flops
        rate, known_flops = self._known
        return rate * known_flops / flops

    def _measure(self, model: ModelConfig, training: TrainingConfig) -> float:
        engine = TrainingEngine(model, training, self._tokens, as_if_trained(model))
        engine.compile()  # while another process compiles the matrix product, on a first start
        engine.run(np.full(2, 1e-3))
        minutes = training.minutes or 0
        part = min(max(60 * minutes * _SHARE, _LEAST), _MOST) / _PARTS
        steps = 2
        while (seconds := _seconds(engine, steps)) < part / 2:
            steps *= max(2, min(16, int(part / max(seconds, 1e-9))))
        more = min(_PARTS - 1, int(_MOST / seconds))  # none of what is slow
        best = min([seconds, *(_seconds(engine, steps) for _ in range(more))])
        return steps * training.batch / best


def _seconds(engine: TrainingEngine, steps: int) -> float:
    """How long so many steps take."""
    started = time.perf_counter()
    engine.run(np.full(steps, 1e-3))
    return time.perf_counter() - started
