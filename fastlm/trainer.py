"""The trainer: batches through the engine, watches the validation loss, keeps the best model."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.config import Documents, ModelConfig, TrainingConfig
from fastlm.engine import TrainingEngine, kernels_cached, token_array
from fastlm.errors import TrainingError
from fastlm.evaluation import mean_loss
from fastlm.events import Callback, Progress, Result, Start, Validation
from fastlm.handover import reference_params
from fastlm.initialize import scaled_params
from fastlm.schedule import learning_rates, planned_steps, validation_count
from fastlm.threads import thread_count
from fastlm_kernels.training import count_nonfinite

__all__ = ["Config", "Trainer"]

# One compiled call runs so many seconds of steps: short enough for progress and Ctrl-C.
_CHUNK_SECONDS = 0.2
_SPEED_SECONDS = 3.0


@dataclass(frozen=True, kw_only=True)
class Config:
    """All of a run: what the model is, how it is trained, and what a document is."""

    model: ModelConfig
    training: TrainingConfig = field(default_factory=TrainingConfig)
    documents: Documents = "file"


class Trainer:
    """Trains one model.

    train_tokens : int[T], ids below config.model.vocab; a boundary token ends each document
    valid_tokens : likewise, to measure on; None: no validation
    params : float32[n] to start from; None: initialised from the seed
    """

    def __init__(
        self,
        config: Config,
        train_tokens: Any,
        valid_tokens: Any = None,
        *,
        callbacks: Sequence[Callback] = (),
        params: NDArray[np.float32] | None = None,
    ) -> None:
        self.config = config
        self.callbacks = list(callbacks)
        if params is None:
            params = _initial_params(config, train_tokens)
        self.engine = TrainingEngine(config.model, config.training, train_tokens, params)
        self.valid = None
        if valid_tokens is not None:
            self.valid = token_array(valid_tokens, config.model.vocab)
        self.history: list[Validation] = []
        self.total_steps = planned_steps(config.training, self.engine.examples)
        self._best: tuple[Validation, NDArray[np.float32]] | None = None
        self._seconds = 0.0  # of training and validation, without compiling
        self._training_seconds = 0.0
        self._stop_reason: str | None = None

    @property
    def params(self) -> NDArray[np.float32]:
        """float32[n]: of the best validation so far; without validation the current ones."""
        return self._best[1] if self._best else self.engine.settled()[0]

    @property
    def epoch(self) -> float:
        return self.engine.step * self.config.training.batch / self.engine.examples

    def stop(self, reason: str = "interrupted") -> None:
        """Let ``fit`` end after the running chunk; safe from a callback, a signal or a thread."""
        self._stop_reason = reason

    def fit(self) -> Result:
        """Train to the end; returns how it went. The parameters are in ``params``.

        SIGINT and SIGTERM end the running chunk and then the run, with everything kept.
        Raises TrainingError when a loss or a weight is not finite any more.
        """
        with _signals_stop(self):
            return self._fit()

    def _fit(self) -> Result:
        training = self.config.training
        self._announce()
        self.engine.compile()
        losses = _LossMeter()
        speed = _Speed()
        steps = 1
        validations = self._validation_fractions()
        next_validation = next(validations, math.inf)
        bad_validations = 0
        reason = "finished"
        while True:
            fraction = self._fraction()
            if fraction >= next_validation or (fraction >= 1 and self._stale()):
                validation = self._validate(losses.since_validation())
                next_validation = next((f for f in validations if f > fraction), math.inf)
                bad_validations = 0 if validation.best else bad_validations + 1
                if training.patience is not None and bad_validations >= training.patience:
                    reason = "early stop"
                    break
            if fraction >= 1:
                break
            if self._stop_reason is not None:
                reason = self._stop_reason
                break
            steps = self._fit_chunk(steps, next_validation)
            compiling = self.engine.step == 0
            started = time.perf_counter()
            rates = learning_rates(training, self._fractions(steps), self.engine.step)
            chunk = self.engine.run(rates)
            seconds = time.perf_counter() - started
            self._check(chunk)
            losses.add(chunk)
            if compiling:
                seconds = 0.0  # the first call may have waited for the compiler
            else:
                speed.add(steps * training.batch, seconds)
            self._seconds += seconds
            self._training_seconds += seconds
            self._report(losses.since_report(), float(rates[-1]), speed.rate)
            steps = _next_chunk(steps, seconds)
        return self._end(reason, losses)

    def _announce(self) -> None:
        start = Start(
            model=self.config.model,
            training=self.config.training,
            parameters=self.engine.state.params.size,
            train_tokens=self.engine.tokens.ids.size // self.engine.tokens.width,
            valid_tokens=0 if self.valid is None else self.valid.ids.size // self.valid.width,
            total_steps=self.total_steps,
            threads=self.engine.threads,
            compiling=not kernels_cached(),
        )
        for callback in self.callbacks:
            callback.on_start(start)

    def _fraction(self) -> float:
        """How much of the run is done, 0 to 1."""
        if self.total_steps is not None:
            return min(1.0, self.engine.step / self.total_steps)
        assert self.config.training.minutes is not None
        return min(1.0, self._seconds / (60 * self.config.training.minutes))

    def _fractions(self, steps: int) -> NDArray[np.float64]:
        """The fraction of the run before each of the next ``steps`` steps."""
        if self.total_steps is not None:
            return np.arange(self.engine.step, self.engine.step + steps) / self.total_steps
        assert self.config.training.minutes is not None
        per_step = self._training_seconds / max(1, self.engine.step)
        ahead = per_step * np.arange(steps) / (60 * self.config.training.minutes)
        return np.asarray(self._fraction() + ahead)

    def _fit_chunk(self, steps: int, next_validation: float) -> int:
        """At most ``steps``, but not beyond the end of the run or the next validation."""
        if self.total_steps is None:
            left = (1 - self._fraction()) * 60 * (self.config.training.minutes or 0)
            per_step = self._training_seconds / max(1, self.engine.step)
            return max(1, min(steps, round(left / per_step))) if per_step else steps
        target = min(1.0, next_validation) * self.total_steps
        return max(1, min(steps, math.ceil(target) - self.engine.step))

    def _validation_fractions(self) -> Iterator[float]:
        """At which fractions of the run to validate."""
        if self.valid is None:
            return iter(())
        training = self.config.training
        if training.valid_every is not None and self.total_steps is not None:
            every = training.valid_every * self.engine.examples / training.batch / self.total_steps
            return (k * every for k in range(1, math.ceil(1 / every) + 1))
        total = math.inf
        if self.total_steps is not None:
            total = self.total_steps * training.batch
        count = (
            validation_count(total, self.valid.ids.size // self.valid.width)
            if math.isfinite(total)
            else 20
        )
        return (k / count for k in range(1, count + 1))

    def _stale(self) -> bool:
        """Whether the current parameters have not been validated."""
        return self.valid is not None and (
            not self.history or self.history[-1].step != self.engine.step
        )

    def _validate(self, train_loss: float) -> Validation:
        assert self.valid is not None
        started = time.perf_counter()
        params = self.engine.settled()[0]
        total, count = mean_loss(
            params,
            self.config.model,
            self.valid,
            count_boundary=self.config.documents != "file",
            threads=thread_count(self.config.training.threads),
        )
        loss = total / count
        best = self._best is None or loss < self._best[0].loss
        self._seconds += time.perf_counter() - started
        validation = Validation(
            step=self.engine.step,
            epoch=self.epoch,
            elapsed=self._seconds,
            loss=loss,
            perplexity=math.exp(min(loss, 700.0)),
            train_loss=train_loss,
            best=best,
        )
        if best:
            self._best = (validation, params)
        self.history.append(validation)
        for callback in self.callbacks:
            callback.on_validation(validation)
        return validation

    def _check(self, losses: NDArray[np.float64]) -> None:
        """TrainingError if a loss of the chunk just run, or a weight after it, is not finite."""
        bad = np.flatnonzero(~np.isfinite(losses))
        rate = self.config.training.rate
        if bad.size:
            step = self.engine.step - losses.size + int(bad[0])
            found = f"the loss is {losses[bad[0]]} at step {step}"
        elif count_nonfinite(self.engine.state.params):
            found = f"weights are not finite after step {self.engine.step}"
        else:
            return
        raise TrainingError(
            f"{found}: training diverged at learning rate {rate:g}; "
            f"start again with a smaller one, e.g. --lr {rate / 4:g}"
        )

    def _report(self, loss: float, lr: float, speed: float) -> None:
        fraction = self._fraction()
        training = self.config.training
        step = self.engine.step
        total = self.total_steps or max(step, round(step / max(fraction, 1e-9)))
        remaining = (total - step) * training.batch / speed if speed else math.nan
        if self.total_steps is None:
            remaining = 60 * (training.minutes or 0) - self._seconds
        progress = Progress(
            step=step,
            total_steps=total,
            epoch=self.epoch,
            total_epochs=total * training.batch / self.engine.examples,
            fraction=fraction,
            loss=loss,
            lr=lr,
            tokens_per_second=speed,
            elapsed=self._seconds,
            remaining=max(0.0, remaining),
        )
        for callback in self.callbacks:
            callback.on_progress(progress)

    def _end(self, reason: str, losses: _LossMeter) -> Result:
        tokens = self.engine.step * self.config.training.batch
        result = Result(
            reason=reason,
            step=self.engine.step,
            epoch=self.epoch,
            elapsed=self._seconds,
            tokens=tokens,
            tokens_per_second=tokens / self._training_seconds if self._training_seconds else 0.0,
            train_loss=losses.last,
            best=self._best[0] if self._best else None,
        )
        for callback in self.callbacks:
            callback.on_end(result)
        return result


def _initial_params(config: Config, train_tokens: Any) -> NDArray[np.float32]:
    model, training = config.model, config.training
    if training.init != "scaled":
        return reference_params(model, training.init, training.seed)
    ids = np.asarray(train_tokens)
    token_array(ids, model.vocab)  # says what is wrong, if anything
    return scaled_params(model, training.seed, np.bincount(ids, minlength=model.vocab))


class _LossMeter:
    """Mean losses over the steps since certain moments, in float64."""

    def __init__(self) -> None:
        self._report = (0.0, 0)
        self._validation = (0.0, 0)
        self.last = math.nan

    def add(self, losses: NDArray[np.float64]) -> None:
        total, count = float(losses.sum()), losses.size
        self._report = (self._report[0] + total, self._report[1] + count)
        self._validation = (self._validation[0] + total, self._validation[1] + count)
        self.last = total / count

    def since_report(self) -> float:
        (total, count), self._report = self._report, (0.0, 0)
        return total / count if count else math.nan

    def since_validation(self) -> float:
        (total, count), self._validation = self._validation, (0.0, 0)
        return total / count if count else math.nan


class _Speed:
    """Examples a second over the last few seconds."""

    def __init__(self) -> None:
        self._chunks: deque[tuple[int, float]] = deque()

    def add(self, examples: int, seconds: float) -> None:
        self._chunks.append((examples, seconds))
        while len(self._chunks) > 1 and sum(s for _, s in self._chunks) > _SPEED_SECONDS:
            self._chunks.popleft()

    @property
    def rate(self) -> float:
        seconds = sum(s for _, s in self._chunks)
        return sum(n for n, _ in self._chunks) / seconds if seconds else 0.0


def _next_chunk(steps: int, seconds: float) -> int:
    """Steps that fill a chunk, reached by doubling at most fourfold at a time."""
    wanted = steps * _CHUNK_SECONDS / seconds if seconds > 0 else 4 * steps
    return max(1, min(4 * steps, int(wanted)))


@contextmanager
def _signals_stop(trainer: Trainer) -> Iterator[None]:
    """While within, SIGINT and SIGTERM ask the trainer to stop; a second SIGINT interrupts hard."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may install handlers
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        if trainer._stop_reason is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        trainer.stop("interrupted" if number == signal.SIGINT else "terminated")

    old = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)
