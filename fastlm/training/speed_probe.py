"""Estimated training throughput, from at most a second of trial steps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from fastlm.config import ModelConfig, TrainingConfig
from fastlm.engine.tiling import step_flops
from fastlm.engine.training import TrainingEngine
from fastlm.model.initialization import as_if_trained

__all__ = ["SpeedProbe"]

# Seconds of trial steps: a share of the run, within limits.
_SHARE = 0.01
_LEAST, _MOST = 0.15, 1.0
# The trial is divided into this many parts, of which the fastest counts: what else the machine
# does now says nothing about the minutes to come.
_PARTS = 5


class SpeedProbe:
    """Estimates the examples per second that a model trains at on these tokens.

    The first model is measured. Others are expected to do as many operations per second, so that
    comparing sizes costs nothing.

    Parameters
    ----------
    tokens : int[T]
        To train on.
    announce : callable, optional
        Called before anything is measured, which may have to compile first.
    """

    def __init__(self, tokens: Any, announce: Callable[[], None] | None = None) -> None:
        self._tokens = tokens
        self._announce = announce
        self._known: tuple[float, float] | None = None

    def __call__(self, model: ModelConfig, training: TrainingConfig) -> float:
        """Return the examples per second."""
        flops = step_flops(model, training.batch) / training.batch
        if self._known is None:
            self._known = self._measure(model, training), flops
        rate, known_flops = self._known
        return rate * known_flops / flops

    def _measure(self, model: ModelConfig, training: TrainingConfig) -> float:
        if self._announce is not None:
            self._announce()
        engine = TrainingEngine(model, training, self._tokens, as_if_trained(model))
        engine.compile()  # as long as another process compiles the matrix product
        engine.run(np.full(2, 1e-3))
        minutes = training.minutes or 0
        part = min(max(60 * minutes * _SHARE, _LEAST), _MOST) / _PARTS
        steps = 2
        while (seconds := _seconds(engine, steps)) < part / 2:
            steps *= max(2, min(16, int(part / max(seconds, 1e-9))))
        more = min(_PARTS - 1, int(_MOST / seconds))  # none if a part is slow
        best = min([seconds, *(_seconds(engine, steps) for _ in range(more))])
        return steps * training.batch / best


def _seconds(engine: TrainingEngine, steps: int) -> float:
    """Duration of ``steps`` steps."""
    started = time.perf_counter()
    engine.run(np.full(steps, 1e-3))
    return time.perf_counter() - started
