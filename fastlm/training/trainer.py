"""The training loop: compiled calls, and what is due between them.

What a run computes depends only on its settings, tokens and step, never on how it was divided into
compiled calls, ``fit`` calls or processes. Sums over several calls add one step after the other,
and all decisions (validation, snapshots, rollback) are made at steps that the settings fix. Only a
run bounded by time depends on the clock.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastlm.callbacks import Callback, Result, Start, Validation
from fastlm.config import Config
from fastlm.data.reread import reread_tokens
from fastlm.engine.tokens import token_array, token_counts, tokens_identity
from fastlm.engine.training import TrainingEngine, kernels_cached
from fastlm.errors import ConfigError, FastlmError, ModelFileError
from fastlm.model.initialization import scaled_params
from fastlm.model.reference_weights import reference_params
from fastlm.system.signals import signals_stop
from fastlm.training.checkpoint import Checkpoint, Origin
from fastlm.training.checkpoint_files import CheckpointFiles, newest_checkpoint
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
from fastlm.training.metrics import MetricsFile
from fastlm.training.pacing import ChunkSize, Throughput
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
    train_tokens : int[T]
        Ids below ``config.model.vocab``; a boundary token (``<end>``) ends each document.
    valid_tokens : int[T], optional
        Likewise, to validate on. None: no validation.
    callbacks : sequence of Callback
        Told how training goes (``fastlm.callbacks``).
    params : float32[n], optional
        The first weights, copied. None: initialised from the seed.
    momentum : float32[n], optional
        The first momentum, copied. None: zeros.
    counts : int64[V], optional
        How often each token occurs in ``train_tokens``, if that is known already.
    origin : Origin, optional
        Where the tokens come from, for the checkpoints.
    checkpoints : CheckpointFiles, optional
        Where and how often to write checkpoints. None: never.
    metrics : MetricsFile, optional
        Where to write a row for each validation and every few seconds. None: nowhere.

    Attributes
    ----------
    run : RunState
        How far the run is, its losses and validations.
    engine : TrainingEngine
        The arrays that are trained.
    total_steps : int or None
        Planned steps; None if only minutes bound the run.
    reasons : tuple of str
        Why the settings that were not given are what they are, for ``Start``.

    Raises
    ------
    ConfigError
        For tokens that are out of range, and for too few of them.
    """

    def __init__(
        self,
        config: Config,
        train_tokens: Any,
        valid_tokens: Any = None,
        *,
        callbacks: Sequence[Callback] = (),
        params: NDArray[np.float32] | None = None,
        momentum: NDArray[np.float32] | None = None,
        counts: NDArray[np.int64] | None = None,
        origin: Origin | None = None,
        checkpoints: CheckpointFiles | None = None,
        metrics: MetricsFile | None = None,
    ) -> None:
        training = config.training
        self.config = config
        self.callbacks = list(callbacks)
        if params is None:
            params = _initial_params(config, train_tokens, counts)
        self.engine = TrainingEngine(config.model, training, train_tokens, params)
        if momentum is not None:
            self.engine.state.momentum[:] = momentum
        self.origin = Origin() if origin is None else origin
        self.checkpoints = checkpoints
        self.reasons: tuple[str, ...] = ()
        self.run = RunState()
        self._plan = RunPlan(training, self.engine.examples)
        self.total_steps = self._plan.total_steps
        tokens = None if valid_tokens is None else token_array(valid_tokens, config.model.vocab)
        self._validator = Validator(config, tokens, self._plan)
        self._reporter = Reporter(self._plan, self.callbacks, metrics)
        self._recent_loss = RecentLoss(config.model.vocab, training.batch)
        self._snapshot_steps = snapshot_steps(training.batch)
        self._snapshot: Snapshot | None = None
        self._last_call = (0.0, 0.0)  # learning rate, examples per second
        self._resumed = False
        self._stop_reason: str | None = None

    @classmethod
    def resume(
        cls,
        path: FilePath,
        train_tokens: Any = None,
        valid_tokens: Any = None,
        *,
        callbacks: Sequence[Callback] = (),
        checkpoint_every: str | float = "60s",
        keep: int = 0,
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
        callbacks : sequence of Callback
        checkpoint_every, keep
            See ``fastlm.training.checkpoint_files.CheckpointFiles``.
        metrics : path, optional
            Of the metrics file; its rows after the checkpoint are dropped.
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
            train_tokens, valid_tokens = _tokens_again(saved)
        trainer = cls.from_checkpoint(
            saved,
            train_tokens,
            valid_tokens,
            callbacks=callbacks,
            checkpoints=CheckpointFiles(path, checkpoint_every, keep),
            metrics=None if metrics is None else MetricsFile(metrics),
            changes=changes,
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
        *,
        callbacks: Sequence[Callback],
        checkpoints: CheckpointFiles,
        metrics: MetricsFile | None,
        changes: Mapping[str, Any],
    ) -> Self:
        """Return the trainer of a checkpoint that was read; see ``resume``.

        With another learning rate (``lr``) the factors of earlier rollbacks are forgotten.
        """
        training = saved.training_with(changes)
        try:
            trainer = cls(
                Config(model=saved.model, training=training, documents=saved.documents),
                train_tokens,
                valid_tokens,
                callbacks=callbacks,
                params=saved.arrays["params"],
                origin=Origin(
                    tokenizer=saved.tokenizer,
                    description=saved.corpus["description"],
                    corpus_source=saved.corpus["recipe"],
                ),
                checkpoints=checkpoints,
                metrics=metrics,
            )
        except FastlmError:
            raise
        except (MemoryError, OverflowError, ValueError):  # NumPy's errors for a size too large
            raise ModelFileError(
                f"{saved.path} asks for more memory than there is: its batch is {training.batch}"
            ) from None
        for part, found in trainer._tokens_identity.items():
            saved.check_corpus(part, found)
        saved.load_into(trainer.engine)
        trainer.run = saved.run.copy()
        if trainer.run.best is not None:
            trainer._validator.best = saved.params
        if saved.training.lr != training.lr:
            trainer.run.rate_factor, trainer.run.rollbacks = 1.0, []
        trainer._resumed = True
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
        """Let ``fit`` end after the running chunk; safe from a callback, a signal or a thread."""
        self._stop_reason = reason

    def notice(self, kind: str, message: str, warn: bool = True) -> None:
        """Send a notice to the callbacks.

        Parameters
        ----------
        kind, message : str
            See ``fastlm.callbacks.Notice``.
        warn : bool
            Whether to issue a TrainingWarning if no callback handles it.
        """
        self._reporter.notice(kind, message, warn)

    def details(self, reason: str) -> dict[str, Any]:
        """Return facts about the run that stay with the model, as JSON values.

        Parameters
        ----------
        reason : str
            Why training ended, ``running`` if it has not.
        """
        return self.run.details(self.epoch, self.origin.description, reason)

    def fit(self) -> Result:
        """Train to the end; the parameters are then in ``params``.

        SIGINT and SIGTERM end the running chunk and then the run; everything is kept and a
        checkpoint is written. Called again, it goes on from there.

        A loss or a weight that is not finite, and a loss that explodes
        (``fastlm.training.divergence``), is noticed at the end of the chunk. Training is then
        rolled back to the last snapshot and the learning rate is halved, up to three times.

        Returns
        -------
        Result
            How it went.

        Raises
        ------
        TrainingError
            If three rollbacks do not help; ``params`` are then those of the last snapshot.
        """
        with signals_stop(self.stop, lambda: self._stop_reason is not None):
            try:
                return self._fit()
            finally:
                self._stop_reason = None

    # ------------------------------------------------------------------------ the loop

    def _fit(self) -> Result:
        self._start()
        self.engine.compile()
        self._take_snapshot()
        chunk, throughput = ChunkSize(), Throughput()
        reason = None
        while reason is None:
            try:
                self._inspect()
                reason = self._end_reason()
                if reason is None:
                    self._write_checkpoint_if_due()
                    self._run_chunk(chunk, throughput)
            except BadNumbers as trouble:
                self._roll_back(str(trouble))
        return self._end(reason)

    def _start(self) -> None:
        tokens = self.engine.tokens
        start = Start(
            model=self.config.model,
            training=self.config.training,
            parameters=self.engine.state.params.size,
            train_tokens=tokens.ids.size // tokens.width,
            valid_tokens=self._validator.size,
            total_steps=self.total_steps,
            threads=self.engine.threads,
            compiling=not kernels_cached(),
            step=self.engine.step,
            elapsed=self.run.seconds,
            reasons=self.reasons,
            corpus=self.origin.description,
            tokenizer="" if self.origin.tokenizer is None else self.origin.tokenizer.kind,
        )
        self._reporter.start(start, self.run)
        if self.checkpoints is not None:
            self.checkpoints.start()
        if self._resumed and (reason := self._end_reason()) is not None:
            more = "--patience" if reason == "early stop" else "--steps, --epochs or --minutes"
            self.notice(
                "finished",
                f"nothing is left to train: {reason} after {self.run.step:,} steps; raise {more} "
                "to go on",
            )
        self._validator.schedule_next(self.run)

    def _inspect(self) -> None:
        """Check the losses, validate and take a snapshot, each if it is due; raise BadNumbers."""
        run, plan = self.run, self._plan
        ended = plan.fraction(run) >= 1
        at_snapshot = run.step % self._snapshot_steps == 0
        if at_snapshot or ended:
            self._recent_loss.check(run)
        if self._validator.due(run):
            self._reporter.validation(self._validator.validate(self.engine, run), run)
            if not ended and plan.fraction(run) >= 1:  # it took the rest of the time
                self._recent_loss.check(run)
                self._reporter.progress(run, *self._last_call)
        if at_snapshot:
            self._take_snapshot()

    def _end_reason(self) -> str | None:
        patience = self.config.training.patience
        if patience is not None and self.run.bad_validations >= patience:
            return "early stop"
        if self._plan.fraction(self.run) >= 1:
            return "finished"
        return self._stop_reason

    def _run_chunk(self, chunk: ChunkSize, throughput: Throughput) -> None:
        """Run a compiled call and check its numbers; raise BadNumbers."""
        run = self.run
        steps = self._bounded(chunk.steps)
        rates = self._plan.rates(run, steps)
        started = time.perf_counter()
        losses = self.engine.run(rates)
        seconds = time.perf_counter() - started
        if chunk.first:
            seconds = 0.0  # it may have waited for the compiler
        else:
            throughput.add(steps * self.config.training.batch, seconds)
        chunk.adapt(steps, seconds)
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
        """``steps``, or as many as are left to the end and to what is due at a step."""
        step = self.run.step
        stop: float = (step // self._snapshot_steps + 1) * self._snapshot_steps
        stop = min(stop, self._validator.next_step, self._plan.last_step(self.run))
        if self.checkpoints is not None:
            stop = min(stop, self.checkpoints.next_step(step))
        return max(1, min(steps, int(stop) - step))

    def _end(self, reason: str) -> Result:
        run, files = self.run, self.checkpoints
        self._reporter.add_last_row(run)
        self._write_checkpoint(reason)
        if (said := self._validator.no_gain(run, self.engine.tokens)) is not None:
            self.notice("no gain", said, warn=False)
        tokens = run.step * self.config.training.batch
        written = files is not None and files.written_step is not None
        result = Result(
            reason=reason,
            step=run.step,
            epoch=self.epoch,
            elapsed=run.seconds,
            tokens=tokens,
            tokens_per_second=tokens / run.training_seconds if run.training_seconds else 0.0,
            train_loss=run.last_loss,
            best=run.best_validation,
            checkpoint=str(files.path) if files is not None and written else None,
        )
        self._reporter.end(result)
        return result

    # ------------------------------------------------------------------------ snapshots, files

    def _take_snapshot(self) -> None:
        best = self._validator.best
        self._snapshot = take_snapshot(self.engine, self.run, best, self._snapshot)

    def _roll_back(self, cause: str) -> None:
        """Go back to the last snapshot with half the learning rate; raise TrainingError."""
        assert self._snapshot is not None
        rollbacks = self.run.rollbacks
        self.run = rollback(self.engine, self._snapshot, self.run, cause)
        self._validator.best = self._snapshot.best
        self._validator.schedule_next(self.run)
        base_lr = self.config.training.base_lr
        if self.run.rollbacks == rollbacks:
            self._write_checkpoint("diverged")
            raise diverged_error(cause, base_lr)
        self._reporter.rollback(self.run, base_lr)
        # Now, so that no run resumes from an older one with the rate that was too high.
        self._write_checkpoint("running")

    def _write_checkpoint_if_due(self) -> None:
        files, step = self.checkpoints, self.run.step
        # A state that is about to be rolled back is not worth a checkpoint.
        if files and step and files.due(step) and not self._recent_loss.exploded(self.run):
            self._write_checkpoint("running")

    def _write_checkpoint(self, reason: str) -> None:
        """Write a checkpoint. A failure is reported as a notice; training continues."""
        files, step = self.checkpoints, self.run.step
        if files is None or not step or files.has(step, reason):
            return
        started = time.perf_counter()
        said = files.save(self._checkpoint(reason), self._reporter.sync)
        if said is not None:
            self.notice("checkpoint", said)
        self.run.seconds += time.perf_counter() - started

    def _checkpoint(self, reason: str) -> Checkpoint:
        """The state as it is; arrays are not copied."""
        return Checkpoint(
            model=self.config.model,
            training=self.config.training,
            documents=self.config.documents,
            tokenizer=self.origin.tokenizer,
            corpus={
                **self._tokens_identity,
                "description": self.origin.description,
                "recipe": self.origin.corpus_source,
            },
            run=self.run,
            reason=reason,
            details=self.details(reason),
            params=self.params,
            arrays=self.engine.state._asdict(),
        )

    @cached_property
    def _tokens_identity(self) -> dict[str, Any]:
        """The tokens to train and to validate on, as checkpoints describe them."""
        valid = self._validator.tokens
        return {
            "train": tokens_identity(self.engine.tokens),
            "valid": None if valid is None else tokens_identity(valid),
        }


def _tokens_again(saved: Checkpoint) -> tuple[Any, Any]:
    """The tokens of a checkpoint's corpus, read again."""
    if saved.corpus["recipe"] is None or saved.tokenizer is None:
        raise ConfigError(
            f"{saved.path} does not say where its corpus is; pass train_tokens (and valid_tokens)"
        )
    return reread_tokens(saved.corpus, saved.tokenizer, saved.documents, saved.path)


def _initial_params(
    config: Config, train_tokens: Any, counts: NDArray[np.int64] | None
) -> NDArray[np.float32]:
    model, training = config.model, config.training
    if training.init != "scaled":
        return reference_params(model, training.init, training.seed)
    if counts is None:
        counts = token_counts(train_tokens, model.vocab)
    return scaled_params(model, training.seed, counts)
