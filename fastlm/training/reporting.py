"""Reports of a run: what the callbacks are told, and the rows of the metrics file."""

from __future__ import annotations

import math
import time
import warnings
from dataclasses import dataclass
from typing import Any

from fastlm.callbacks import (
    Callback,
    Notice,
    Progress,
    Result,
    Start,
    Validation,
    takes_notices,
)
from fastlm.config import ModelConfig
from fastlm.engine.training import TrainingEngine
from fastlm.errors import TrainingWarning
from fastlm.training.checkpoint import Origin
from fastlm.training.metrics import MetricsFile
from fastlm.training.run_state import RunningMean, RunState
from fastlm.training.schedule import RunPlan
from fastlm.training.validation import Validator
from fastlm.wording import setting

__all__ = ["Reporter"]

# A row of the metrics file, other than those of validations and rollbacks, covers at most this long
# and this share of the run, so that a curve has as many points and its end is that of the run.
_ROW_SECONDS = 5.0
_ROWS = 50
# The founding systems report each epoch; of a run with more of them, a fiftieth of it.
_MOST_EPOCHS = 1000


@dataclass
class Reporter:
    """Tells the callbacks and the metrics file how a run goes.

    ``callbacks`` is the caller's list, which may change while the run goes on.
    """

    model: ModelConfig
    plan: RunPlan
    callbacks: list[Callback]
    metrics: MetricsFile | None
    _row_failed: bool = False
    _sync_failed: bool = False
    _last_row: float = 0.0
    _last_row_step: int = 0

    def start(
        self,
        run: RunState,
        engine: TrainingEngine,
        validator: Validator,
        origin: Origin,
        reasons: tuple[str, ...],
    ) -> None:
        """Report the start of a run; rows of the metrics file after ``run.rows`` are dropped."""
        start = Start(
            model=self.model,
            training=self.plan.training,
            parameters=engine.state.params.size,
            train_tokens=engine.tokens.ids.size // engine.tokens.width,
            valid_tokens=validator.size,
            valid_ids=validator.ids,
            total_steps=self.plan.total_steps,
            threads=engine.threads,
            compiling=not engine.is_compiled,
            step=run.step,
            elapsed=run.seconds,
            reasons=reasons,
            corpus=origin.description,
            tokenizer="" if origin.tokenizer is None else origin.tokenizer.kind,
        )
        for callback in self.callbacks:
            callback.on_start(start)
        self._last_row, self._last_row_step = time.monotonic(), run.step
        if self.metrics is not None and not self._row_failed:
            try:
                self.metrics.start(run.rows)
            except OSError as error:
                self._row_failed = True
                self.notice("metrics", f"cannot write {self.metrics.path}: {error.strerror}")

    def notice(self, kind: str, message: str, warn: bool = True) -> None:
        """Send a notice; if no callback handles it and ``warn`` is set, issue a TrainingWarning."""
        notice = Notice(kind, " ".join(message.split()))
        handled = False
        for callback in self.callbacks:
            callback.on_notice(notice)
            handled |= takes_notices(callback)
        if warn and not handled:
            warnings.warn(notice.message, TrainingWarning, stacklevel=3)

    def nothing_left(self, run: RunState, reason: str) -> None:
        """Report that a resumed run has already ended."""
        names = ("patience",) if reason == "early stop" else ("steps", "epochs", "minutes")
        more = " or ".join(map(setting, names))
        self.notice(
            "finished",
            f"nothing is left to train: {reason} after {run.step:,} steps; raise {more} to go on",
        )

    def progress(self, run: RunState, lr: float, speed: float) -> None:
        """Report a compiled call, and add a row to the metrics file every few seconds.

        ``lr`` is the learning rate of its last step, ``speed`` in tokens/s, 0 if not known yet.
        """
        training, fraction = self.plan.training, self.plan.fraction(run)
        total = max(run.step, round(run.step / max(fraction, 1e-9)))
        remaining = (total - run.step) * training.batch / speed if speed else 0.0
        if training.minutes is not None:
            left = 60 * training.minutes - run.seconds
            remaining = min(left, remaining) if self.plan.total_steps and speed else left
        progress = Progress(
            step=run.step,
            total_steps=total,
            epoch=self.plan.epoch(run.step),
            total_epochs=self.plan.epoch(total),
            fraction=fraction,
            loss=run.last_loss,
            lr=lr,
            tokens_per_second=speed,
            elapsed=run.seconds,
            remaining=max(0.0, remaining),
        )
        for callback in self.callbacks:
            callback.on_progress(progress)
        due = run.step >= self.next_row_step(self._last_row_step)
        if due or time.monotonic() - self._last_row >= _ROW_SECONDS:
            self._add_row("progress", run, lr=lr, tokens_per_second=speed)

    def validation(self, validation: Validation, run: RunState) -> None:
        """Report a validation."""
        for callback in self.callbacks:
            callback.on_validation(validation)
        self._add_row(
            "validation",
            run,
            train_loss=validation.train_loss,
            valid_loss=validation.loss,
            perplexity=validation.perplexity,
            best=validation.best,
        )

    def rollback(self, run: RunState) -> None:
        """Report the last rollback of a run."""
        last = run.rollbacks[-1]
        self.notice(
            "rollback",
            f"{last['cause']}: back to step {run.step:,} with half the learning rate, "
            f"{self.plan.training.base_lr * run.rate_factor:g}",
        )
        self._add_row("rollback", run, **last)

    def end(self, run: RunState, reason: str, checkpoint: str | None) -> Result:
        """Report the end of a run."""
        tokens = run.step * self.plan.training.batch
        result = Result(
            reason=reason,
            step=run.step,
            epoch=self.plan.epoch(run.step),
            elapsed=run.seconds,
            tokens=tokens,
            tokens_per_second=tokens / run.training_seconds if run.training_seconds else 0.0,
            train_loss=run.last_loss,
            best=run.best_validation,
            checkpoint=checkpoint,
        )
        for callback in self.callbacks:
            callback.on_end(result)
        return result

    def next_row_step(self, step: int) -> float:
        """Return the step of the next row after one at ``step``, infinite if only time decides."""
        total = self.plan.total_steps
        if total is None:
            return math.inf
        if self.plan.training.init != "scaled" and self.plan.epoch(total) <= _MOST_EPOCHS:
            return max(step + 1, self.plan.epoch_end(step))
        number = step * _ROWS // total + 1
        return max(step + 1, math.ceil(number * total / _ROWS))

    def add_last_row(self, run: RunState) -> None:
        """Add a row for the steps since the last one, if there are any."""
        if run.since_row.steps:
            self._add_row("progress", run)

    def sync(self) -> None:
        """Bring the rows to the disk, before a checkpoint that counts them.

        A failure is reported once. It stops no checkpoint: without a row a run goes on all the
        same, and a resumed run keeps as many rows as there are.
        """
        if self.metrics is None or self._row_failed:
            return
        try:
            self.metrics.sync()
        except OSError as error:
            if not self._sync_failed:
                self.notice("metrics", f"cannot sync {self.metrics.path}: {error.strerror}")
            self._sync_failed = True

    def _add_row(self, event: str, run: RunState, **values: Any) -> None:
        self._last_row, self._last_row_step = time.monotonic(), run.step
        if self.metrics is None:
            return
        row = {
            "event": event,
            "step": run.step,
            "epoch": self.plan.epoch(run.step),
            "seconds": run.seconds,
        }
        if event != "rollback":
            row["loss"] = run.since_row.value
            run.since_row = RunningMean()
        try:
            self.metrics.append(row | values)
        except OSError as error:
            if not self._row_failed:
                self.notice(
                    "metrics",
                    f"cannot write {self.metrics.path}: {error.strerror}; training goes on, the "
                    "rows wait in memory",
                )
            self._row_failed = True
        else:
            self._row_failed = False
        run.rows = self.metrics.rows
