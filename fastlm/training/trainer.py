"""The training loop: compiled calls, and what is due between them.

What a run computes depends only on its settings, tokens and step, never on how it was divided into
compiled calls, ``fit`` calls or processes: all decisions are made at steps that the settings fix.
Only a run bounded by time depends on the clock.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastlm.callbacks import Callbacks, Result, Validation, as_callbacks
from fastlm.config import Config
from fastlm.engine.tokens import token_array
from fastlm.engine.training import TrainingEngine
from fastlm.errors import FastlmError, ModelFileError
from fastlm.system.signals import signals_stop
from fastlm.training.checkpoint import Checkpoint, Origin
from fastlm.training.checkpoint_files import CheckpointFiles, CheckpointWriter, newest_checkpoint
from fastlm.training.divergence import (
    BadNumbers,
    RecentLoss,
    Snapshot,
    check_finite,
    diverged_error,
    rollback,
    snapshot_steps,
    take_snapshot,
)
from fastlm.training.first_weights import initial_params
from fastlm.training.metrics import MetricsFile
from fastlm.training.pacing import CallSize, Throughput
from fastlm.training.reporting import Reporter
from fastlm.training.run_state import RunState
from fastlm.training.schedule import RunPlan
from fastlm.training.validation import Validator
from fastlm.types import FilePath

__all__ = ["Trainer"]


class Trainer:
    """Trains one model.

    Parameters
    ----------
    config : Config
    train_tokens, valid_tokens : int[T]
        Ids below ``config.model.vocab``; a boundary token (``<end>``) ends each document. Without
        ``valid_tokens`` there is no validation.
    callbacks : Callback, function, or several of them
        Told how training goes.
    params, momentum : float32[n], optional
        To start from, copied. Default: weights initialised from the seed, and zeros.
    counts : int64[V], optional
        How often each token occurs in ``train_tokens``, if that is known.
    origin : Origin, optional
        Where the tokens come from, for the checkpoints.
    checkpoints : CheckpointFiles, optional
        Where and how often to write checkpoints. None: never.
    metrics : MetricsFile, optional
        Where to write a row for each validation and every few seconds. None: nowhere.

    Attributes
    ----------
    run : RunState
    engine : TrainingEngine
    total_steps : int or None
        Planned steps; None if only minutes bound the run.
    reasons : tuple of str
        Why the settings that were not given are what they are, for ``Start``.

    Raises ConfigError for ids out of range, and for too few tokens.
    """

    def __init__(
        self,
        config: Config,
        train_tokens: Any,
        valid_tokens: Any = None,
        *,
        callbacks: Callbacks = (),
        params: NDArray[np.float32] | None = None,
        momentum: NDArray[np.float32] | None = None,
        counts: NDArray[np.int64] | None = None,
        origin: Origin | None = None,
        checkpoints: CheckpointFiles | None = None,
        metrics: MetricsFile | None = None,
    ) -> None:
        training = config.training
        self.config = config
        self.callbacks = as_callbacks(callbacks)
        if params is None:
            params = initial_params(config, train_tokens, counts)
        self.engine = self._new_engine(config, train_tokens, params)
        if momentum is not None:
            self.engine.state.momentum[:] = momentum
        self.origin = Origin() if origin is None else origin
        self.checkpoints = checkpoints
        self.reasons: tuple[str, ...] = ()
        self.run = RunState()
        self._plan = RunPlan(training, self.engine.examples)
        self.total_steps = self._plan.total_steps
        valid = None if valid_tokens is None else token_array(valid_tokens, config.model.vocab)
        self._validator = Validator(config, valid, self._plan)
        self._reporter = Reporter(config.model, self._plan, self.callbacks, metrics)
        self._writer = CheckpointWriter(
            config, self.origin, self._plan, self.engine, valid, self._reporter
        )
        self._recent_loss = RecentLoss(config.model.vocab, training.batch)
        self._snapshot_steps = snapshot_steps(training.batch)
        self._snapshot: Snapshot | None = None
        self._last_call = (0.0, 0.0)  # learning rate, examples per second
        self._resumed = False
        self._stop_reason: str | None = None

    def _new_engine(self, config: Config, tokens: Any, params: Any) -> TrainingEngine:
        return TrainingEngine(config.model, config.training, tokens, params)

    @classmethod
    def resume(
        cls,
        path: FilePath,
        train_tokens: Any = None,
        valid_tokens: Any = None,
        *,
        callbacks: Callbacks = (),
        checkpoint_every: str | float | None = None,
        keep: int | None = None,
        metrics: FilePath | None = None,
        **changes: Any,
    ) -> Self:
        """Return the trainer of a checkpoint; ``fit`` goes on as if the run had never stopped.

        Parameters
        ----------
        path : path
            Of the checkpoint, to which the run writes again. If it is damaged, the newest sound
            one of those kept beside it is taken.
        train_tokens, valid_tokens : int[T], optional
            The same as before. None: the corpus is read again, from where the checkpoint says.
        callbacks, checkpoint_every, keep, metrics
            See ``fastlm.train``. Rows of the metrics file after the checkpoint are dropped.
        **changes
            New values of epochs, steps or minutes, threads, patience, lr.

        Raises
        ------
        ModelFileError
            If there is no sound checkpoint.
        ConfigError
            For other tokens, and for a change of any other setting, with both values.
        CorpusError
            If the corpus cannot be read again.
        """
        saved, said = newest_checkpoint(path)
        saved.training_with(changes)
        if train_tokens is None:
            train_tokens, valid_tokens = saved.reread_tokens()
        trainer = cls.from_checkpoint(
            saved,
            train_tokens,
            valid_tokens,
            changes,
            callbacks=callbacks,
            checkpoints=CheckpointFiles(path, checkpoint_every, keep),
            metrics=None if metrics is None else MetricsFile(metrics),
        )
        if said is not None:
            trainer.notice("resume", said)
        return trainer

    @classmethod
    def from_checkpoint(
        cls,
        saved: Checkpoint,
        train_tokens: Any,
        valid_tokens: Any,
        changes: Mapping[str, Any],
        *,
        checkpoints: CheckpointFiles,
        **others: Any,
    ) -> Self:
        """Return the trainer of a checkpoint that was read; see ``resume``.

        With another ``lr`` the effect of rollbacks is forgotten. ``others`` go to the trainer.
        """
        training = saved.training_with(changes)
        try:
            trainer = cls(
                Config(model=saved.model, training=training, documents=saved.documents),
                train_tokens,
                valid_tokens,
                params=saved.arrays["params"],
                origin=saved.origin,
                checkpoints=checkpoints,
                **others,
            )
        except FastlmError:
            raise
        except (MemoryError, OverflowError, ValueError):  # NumPy's errors for a size too large
            raise ModelFileError(
                f"{saved.path} asks for more memory than there is: its batch is {training.batch}"
            ) from None
        saved.check_corpus(trainer._writer.corpus)
        saved.load_into(trainer.engine)
        trainer.run = saved.run.copy()
        if trainer.run.best is not None:
            trainer._validator.best = saved.params
        trainer._snapshot = saved.good and saved.good.copy()  # it is written to again
        if saved.training.lr != training.lr:
            trainer.run.rate_factor, trainer.run.rollbacks = 1.0, []
        trainer._resumed = True
        if trainer.checkpoints is not None:
            checkpoints.start(saved)
        return trainer

    @property
    def history(self) -> list[Validation]:
        """The validations so far."""
        return self.run.history

    @property
    def params(self) -> NDArray[np.float32]:
        """float32[n]: those of the best validation so far; without validation the current ones."""
        best = self._validator.best
        return self.engine.snapshot()[0] if best is None else best

    @property
    def epoch(self) -> float:
        """Passes over the training examples so far."""
        return self._plan.epoch(self.engine.step)

    def stop(self, reason: str = "interrupted") -> None:
        """Let ``fit`` end after the current call; safe from a callback, a signal or a thread."""
        self._stop_reason = reason

    def notice(self, kind: str, message: str) -> None:
        """Send a ``fastlm.callbacks.Notice`` to the callbacks, or warn if none handles it."""
        self._reporter.notice(kind, message)

    def details(self, reason: str) -> dict[str, Any]:
        """Return facts about the run that stay with the model, as JSON values.

        ``reason`` is why training ended, ``running`` if it has not.
        """
        return self.run.details(self.epoch, self.origin.description, reason)

    def fit(self) -> Result:
        """Train to the end and return how it went; the parameters are then in ``params``.

        SIGINT and SIGTERM end the run after the current compiled call, about 0.2 s; everything is
        kept and a checkpoint is written. Called again, ``fit`` goes on from there.

        Where losses explode, it is rolled back up to three times (``fastlm.training.divergence``).

        Raises
        ------
        ConfigError
            If another run is writing the checkpoint.
        TrainingError
            If three rollbacks do not help; ``params`` are then those of the last snapshot.
        """
        is_stopping, has_steps = lambda: self._stop_reason is not None, lambda: self.run.step > 0
        with self._writer.lock(self.checkpoints), signals_stop(self.stop, is_stopping, has_steps):
            try:
                return self._fit()
            finally:
                self._stop_reason = None

    def _fit(self) -> Result:
        self._start()
        self.engine.compile()
        self._validator.compile(self.engine)
        if self._snapshot is None:
            self._take_snapshot()
        size, throughput = CallSize(), Throughput()
        reason = None
        while reason is None:
            try:
                self._inspect()
                reason = self._end_reason()
                if reason is None:
                    self._write_checkpoint_if_due()
                    self._run_call(size, throughput)
            except BadNumbers as trouble:
                self._roll_back(str(trouble))
        return self._end(reason)

    def _start(self) -> None:
        self._reporter.start(self.run, self.engine, self._validator, self.origin, self.reasons)
        if self.checkpoints is not None:
            self.checkpoints.start()
        if self._resumed and (reason := self._end_reason()) is not None:
            self._reporter.nothing_left(self.run, reason)
        self._validator.schedule_next(self.run)

    def _inspect(self) -> None:
        """Check the losses, validate and take a snapshot, each if it is due; raise BadNumbers."""
        run, plan = self.run, self._plan
        ended = plan.fraction(run) >= 1
        at_snapshot = run.step % self._snapshot_steps == 0
        if at_snapshot or ended:
            self._recent_loss.check(run)
        if self._validator.due(run):
            validation = self._validator.validate(self.engine, run)
            self._validated()
            self._reporter.validation(validation, run)
            if not ended and plan.fraction(run) >= 1:  # it took the rest of the time
                self._recent_loss.check(run)
                self._reporter.progress(run, *self._last_call)
        if at_snapshot:
            self._take_snapshot()

    def _validated(self) -> None:
        """Do nothing, right after a validation."""

    def _end_reason(self) -> str | None:
        patience = self.config.training.patience
        if patience is not None and self.run.bad_validations >= patience:
            return "early stop"
        if self._plan.fraction(self.run) >= 1:
            return "finished"
        return self._stop_reason

    def _run_call(self, size: CallSize, throughput: Throughput) -> None:
        """Run a compiled call and check its numbers; raise BadNumbers."""
        run = self.run
        rates = self._plan.rates(run, steps := self._bounded(size.steps))
        started = time.perf_counter()
        losses = self.engine.run(rates)
        seconds = time.perf_counter() - started
        if size.first:
            seconds = 0.0  # it may have waited for the compiler
        else:
            throughput.add(steps * self.config.training.batch, seconds)
        size.adapt(steps, seconds)
        run.seconds += seconds
        run.training_seconds += seconds
        run.step = self.engine.step
        check_finite(losses, self.engine.state.params, run.step)
        run.since_validation = run.since_validation.add(losses)
        run.since_row = run.since_row.add(losses)
        run.last_loss = float(losses.mean())
        self._recent_loss.add(run, losses)
        self._last_call = float(rates[-1]), throughput.rate
        self._reporter.progress(run, *self._last_call)

    def _bounded(self, steps: int) -> int:
        """Return ``steps``, or as many as are left to the end and to what is due at a step."""
        step = self.run.step
        snapshot = (step // self._snapshot_steps + 1) * self._snapshot_steps
        row, last = self._reporter.next_row_step(step), self._plan.last_step(self.run)
        stop = min(snapshot, row, last, self._validator.next_step)
        if self.checkpoints is not None:
            stop = min(stop, self.checkpoints.next_step(step))
        return max(1, min(steps, int(stop) - step))

    def _end(self, reason: str) -> Result:
        run, files = self.run, self.checkpoints
        self._reporter.add_last_row(run)
        self._write_checkpoint(reason)
        if (said := self._validator.no_gain(run, self.engine.tokens)) is not None:
            self._reporter.notice("no gain", said, warn=False)
        return self._reporter.end(run, reason, str(files.path) if files and files.written else None)

    def _take_snapshot(self) -> None:
        self._snapshot = take_snapshot(self.engine, self.run, self._validator.best, self._snapshot)

    def _roll_back(self, cause: str) -> None:
        """Go back to the last snapshot with half the learning rate; raise TrainingError."""
        assert self._snapshot is not None
        before = len(self.run.rollbacks)
        self.run = rollback(self.engine, self._snapshot, self.run, cause)
        self._validator.best = self._snapshot.best
        self._validator.schedule_next(self.run)
        if len(self.run.rollbacks) == before:
            self._write_checkpoint("diverged")
            raise diverged_error(cause, self.config.training.base_lr)
        self._reporter.rollback(self.run)
        # Now, so that no run resumes from an older one with the rate that was too high.
        self._write_checkpoint("running")

    def _write_checkpoint_if_due(self) -> None:
        files, step = self.checkpoints, self.run.step
        due = files and step and files.due(step, at_snapshot=step % self._snapshot_steps == 0)
        # A state that is about to be rolled back is not worth a checkpoint.
        if due and not self._recent_loss.exploded(self.run):
            self._write_checkpoint("running")

    def _write_checkpoint(self, reason: str) -> None:
        self._writer.write(self.checkpoints, self.run, self._validator.best, reason, self._snapshot)
