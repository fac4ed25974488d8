"""The trainer: batches through the engine, watches the losses, keeps the best model, and writes
checkpoints from which a run goes on as if it had never stopped.

What a run computes depends on its settings, tokens and step alone, never on where it was cut into
chunks, calls or processes: sums that go across chunks add one step after the other, and all that is
decided (validations, states to go back to) is decided at steps that the settings fix. Only a run
bounded by time follows the clock.
"""

from __future__ import annotations

import itertools
import math
import time
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastlm.callbacks import Callback, Notice, Progress, Result, Start, Validation
from fastlm.config import Config
from fastlm.data.reread import reread_tokens
from fastlm.engine.losses import mean_loss
from fastlm.engine.tokens import token_array, token_counts, tokens_identity
from fastlm.engine.training import TrainingEngine, kernels_cached
from fastlm.errors import ConfigError, FastlmError, ModelFileError, TrainingError, TrainingWarning
from fastlm.model.initialization import scaled_params
from fastlm.model.reference_weights import reference_params
from fastlm.system.resources import thread_count
from fastlm.system.signals import signals_stop
from fastlm.training.checkpoint import Checkpoint, Origin
from fastlm.training.checkpoint_files import CheckpointFiles, newest_checkpoint
from fastlm.training.divergence import BadNumbers, RecentLoss, check_finite, snapshot_steps
from fastlm.training.metrics import MetricsFile
from fastlm.training.pacing import Chunk, Speed
from fastlm.training.run_state import RunState, added, mean, run_details
from fastlm.training.schedule import (
    fraction_done,
    learning_rates,
    planned_steps,
    validation_count,
    validation_places,
)
from fastlm.training.validation import unigram_loss
from fastlm.types import FilePath

__all__ = ["Trainer"]

# A model with this share of the loss of knowing nothing but frequencies, or more, knows no more.
_NOTHING_LEARNED = 0.995


# Seconds between rows of the metrics, where no validation makes one.
_ROW_SECONDS = 5.0


# So often training goes back to the last good state; then it ends.
_MOST_ROLLBACKS = 3


@dataclass
class _Good:
    """The last good state, to go back to: copies, but for the best parameters, which nobody
    changes."""

    run: RunState
    arrays: dict[str, NDArray[Any]]
    best: NDArray[np.float32] | None


class Trainer:
    """Trains one model.

    train_tokens : int[T], ids below config.model.vocab; a boundary token ends each document
    valid_tokens : likewise, to measure on; None: no validation
    params : float32[n] to start from; None: initialised from the seed
    momentum : float32[n] likewise; None: zeros
    counts : int64[V], how often each token occurs in train_tokens, where that is known already
    origin : where the tokens come from, for the checkpoints
    checkpoints : where to write them, and how often; None: nowhere
    metrics : where to write a row per validation, and every few seconds; None: nowhere
    run : ``RunState``, how far it is
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
        self.config = config
        self.callbacks = list(callbacks)
        if params is None:
            params = _initial_params(config, train_tokens, counts)
        self.engine = TrainingEngine(config.model, config.training, train_tokens, params)
        if momentum is not None:
            self.engine.state.momentum[:] = momentum
        self.valid = None
        if valid_tokens is not None:
            self.valid = token_array(valid_tokens, config.model.vocab)
        self.origin = Origin() if origin is None else origin
        self.checkpoints = checkpoints
        self.metrics = metrics
        self.reasons: tuple[str, ...] = ()  # of the sizes that were picked, for ``Start``
        self.total_steps = planned_steps(config.training, self.engine.examples)
        self.run = RunState()
        self._best: NDArray[np.float32] | None = None
        self._validation_seconds = 0.0  # that the last one took
        self._last_report: tuple[float, float, float] | None = None
        self._good: _Good | None = None
        self._recent = RecentLoss(config.model.vocab, config.training.batch)
        self._written: tuple[int, str] | None = None  # step and reason of the last checkpoint
        self._write_failed = False
        self._row_failed = False
        self._stop_reason: str | None = None
        self._resumed = False

    @classmethod
    def resume(
        cls,
        path: FilePath | Checkpoint,
        train_tokens: Any = None,
        valid_tokens: Any = None,
        *,
        callbacks: Sequence[Callback] = (),
        checkpoint_every: str | float = "60s",
        keep: int = 0,
        metrics: FilePath | None = None,
        **changes: Any,
    ) -> Self:
        """The trainer of a checkpoint: ``fit`` goes on as if the run had never stopped.

        Parameters
        ----------
        path : path, or a Checkpoint that was read
            Where it is damaged, the newest sound one of those kept beside it is taken.
        train_tokens, valid_tokens : int[T], optional
            The same as before. None: the corpus is read again, where the checkpoint says how.
        checkpoint_every, keep
            See ``fastlm.training.checkpoint_files.CheckpointFiles``; it writes to ``path`` again.
        metrics : path, optional
            Of the metrics file, which loses the rows after the checkpoint.
        **changes
            What is another now: epochs, steps or minutes, threads, patience, lr. With another
            ``lr`` what rollbacks took from it is forgotten.

        Raises
        ------
        ModelFileError
            When there is no sound checkpoint.
        ConfigError
            For other tokens, and for a change of anything else, with both values.
        CorpusError
            When the corpus cannot be read again.
        """
        said = None
        if isinstance(path, Checkpoint):
            saved, path = path, path.path
        else:
            saved, said = newest_checkpoint(path)
        training = saved.training_with(changes)
        if train_tokens is None:
            train_tokens, valid_tokens = _tokens_again(saved)
        config = Config(model=saved.model, training=training, documents=saved.documents)
        try:
            trainer = cls(
                config,
                train_tokens,
                valid_tokens,
                callbacks=callbacks,
                params=saved.arrays["params"],
                origin=Origin(
                    tokenizer=saved.tokenizer,
                    description=saved.corpus["description"],
                    corpus_source=saved.corpus["recipe"],
                ),
                checkpoints=CheckpointFiles(path, checkpoint_every, keep),
                metrics=None if metrics is None else MetricsFile(metrics),
            )
        except FastlmError:
            raise
        except (MemoryError, OverflowError, ValueError):  # NumPy's ways to say: too large
            raise ModelFileError(
                f"{saved.path} asks for more memory than there is: its batch is {training.batch}"
            ) from None
        trainer._restore(saved)
        if saved.training.lr != training.lr:
            trainer.run.rate_factor, trainer.run.rollbacks = 1.0, []
        if said is not None:
            trainer.notice("resume", said)
        return trainer

    def _restore(self, saved: Checkpoint) -> None:
        """Take over the state of a checkpoint, after checking it against this run."""
        for part, found in self._corpus.items():
            saved.check_corpus(part, found)
        saved.load_into(self.engine)
        self.run = saved.run.copy()
        self._best = None if self.run.best is None else saved.params
        self._written = (saved.run.step, saved.reason)
        self._resumed = True
        if self.checkpoints is not None:
            self.checkpoints.start(saved.run.step)

    def _set_state(self, arrays: Mapping[str, NDArray[Any]], step: int) -> None:
        for name, array in self.engine.state._asdict().items():
            np.copyto(array, arrays[name])
        self.engine.step = step

    @cached_property
    def _corpus(self) -> dict[str, Any]:
        """What is trained and validated on, as checkpoints have it."""
        return {
            "train": tokens_identity(self.engine.tokens),
            "valid": None if self.valid is None else tokens_identity(self.valid),
        }

    @property
    def history(self) -> list[Validation]:
        return self.run.history

    @property
    def params(self) -> NDArray[np.float32]:
        """float32[n]: of the best validation so far; without validation the current ones."""
        return self.engine.snapshot()[0] if self._best is None else self._best

    @property
    def epoch(self) -> float:
        return self.engine.step * self.config.training.batch / self.engine.examples

    def stop(self, reason: str = "interrupted") -> None:
        """Let ``fit`` end after the running chunk; safe from a callback, a signal or a thread."""
        self._stop_reason = reason

    def fit(self) -> Result:
        """Train to the end; returns how it went. The parameters are in ``params``.

        SIGINT and SIGTERM end the running chunk and then the run, with everything kept and a
        checkpoint written. Called again, it goes on from there.

        A loss or a weight that is not finite, and a loss that explodes
        (``fastlm.training.divergence``), is noticed at the end of the chunk: training goes back to
        the last good state and halves the learning rate, three times at most.

        Raises TrainingError when that does not help; ``params`` are then those of the last good
        state.
        """
        with signals_stop(self.stop, lambda: self._stop_reason is not None):
            try:
                return self._fit()
            finally:
                self._stop_reason = None

    def _fit(self) -> Result:
        self._announce()
        self._start_files()
        self.engine.compile()
        self._keep_state()
        speed = Speed()
        chunk = Chunk()
        reason = None
        while reason is None:
            try:
                self._inspect()
                reason = self._end_reason()
                if reason is None:
                    self._write_checkpoint_if_due()
                    self._run_chunk(chunk, speed)
            except BadNumbers as trouble:
                self._go_back(trouble)
        return self._end(reason)

    def _start_files(self) -> None:
        if self.checkpoints is not None and not self._resumed:
            self.checkpoints.start()
        if self.metrics is not None and not self._row_failed:
            try:
                self.metrics.start(self.run.rows)
            except OSError as error:
                self._row_failed = True
                self.notice("metrics", f"cannot write {self.metrics.path}: {error.strerror}")
        if self._resumed and (reason := self._end_reason()) is not None:
            more = "--patience" if reason == "early stop" else "--steps, --epochs or --minutes"
            self.notice(
                "finished",
                f"nothing is left to train: {reason} after {self.run.step:,} steps; raise {more} "
                "to go on",
            )
        self._last_row = time.monotonic()

    def _inspect(self) -> None:
        """What is due after the steps so far: the check of the losses, validation, and a copy to
        go back to.

        Raises BadNumbers.
        """
        fraction = self._fraction()
        on_grid = self.engine.step % self._snapshot_steps == 0
        if on_grid or fraction >= 1:
            self._recent.check(self.run)
        if self._place() >= self._next_validation or (fraction >= 1 and self._stale()):
            self._validate()
            if fraction < 1 <= self._fraction():  # it took what was left of the time
                self._recent.check(self.run)
                if self._last_report is not None:
                    self._report(*self._last_report)
        if on_grid:
            self._keep_state()

    def _end_reason(self) -> str | None:
        patience = self.config.training.patience
        if patience is not None and self.run.bad_validations >= patience:
            return "early stop"
        if self._fraction() >= 1:
            return "finished"
        return self._stop_reason

    def _run_chunk(self, chunk: Chunk, speed: Speed) -> None:
        """Raises BadNumbers."""
        run, training = self.run, self.config.training
        steps = self._fit_chunk(chunk.steps)
        rates = learning_rates(training, self._fractions(steps), self.engine.step)
        rates *= run.rate_factor
        started = time.perf_counter()
        losses = self.engine.run(rates)
        seconds = time.perf_counter() - started
        if chunk.first:
            seconds = 0.0  # the first call may have waited for the compiler
        else:
            speed.add(steps * training.batch, seconds)
        chunk.done(steps, seconds)
        run.seconds += seconds
        run.training_seconds += seconds
        run.step = self.engine.step
        check_finite(losses, self.engine.state.params, run.step)
        run.since_validation = added(run.since_validation, losses)
        run.since_row = added(run.since_row, losses)
        run.last_loss = float(losses.mean())
        self._recent.add(run, losses)
        self._last_report = (run.last_loss, float(rates[-1]), speed.rate)
        self._report(*self._last_report)
        if time.monotonic() - self._last_row >= _ROW_SECONDS:
            self._add_row("progress", lr=float(rates[-1]), tokens_per_second=speed.rate)

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
            step=self.engine.step,
            elapsed=self.run.seconds,
            reasons=self.reasons,
        )
        for callback in self.callbacks:
            callback.on_start(start)

    def notice(self, kind: str, message: str, warn: bool = True) -> None:
        """Tell the callbacks; where none listens, it is a warning if it is a trouble (``warn``)."""
        notice = Notice(kind, " ".join(message.split()))
        heard = False
        for callback in self.callbacks:
            callback.on_notice(notice)
            heard |= type(callback).on_notice is not Callback.on_notice
        if warn and not heard:
            warnings.warn(notice.message, TrainingWarning, stacklevel=2)

    def _fraction(self) -> float:
        """How much of the run is done, 0 to 1."""
        done = (self.total_steps, self.engine.step, self.run.seconds)
        return float(fraction_done(self.config.training, *done))

    def _fractions(self, steps: int) -> NDArray[np.float64]:
        """The fraction of the run before each of the next ``steps`` steps."""
        ahead = np.arange(steps)
        per_step = self.run.training_seconds / max(1, self.engine.step)
        return np.asarray(
            fraction_done(
                self.config.training,
                self.total_steps,
                self.engine.step + ahead,
                self.run.seconds + per_step * ahead,
            )
        )

    @cached_property
    def _snapshot_steps(self) -> int:
        return snapshot_steps(self.config.training.batch)

    def _fit_chunk(self, steps: int) -> int:
        """At most ``steps``, but not beyond the end of the run, or the next validation, copy or
        checkpoint that is due at a step."""
        step = self.engine.step
        target: float = (step // self._snapshot_steps + 1) * self._snapshot_steps
        if self.checkpoints is not None:
            target = min(target, self.checkpoints.next_step(step))
        minutes = self.config.training.minutes
        if self.total_steps is not None:
            target = min(target, self.total_steps)
        if not self._validates_by_time:
            target = min(target, self._next_validation)
        if minutes is not None and self.run.training_seconds:
            per_step = self.run.training_seconds / max(1, step)
            left = 60 * minutes - self.run.seconds
            target = min(target, step + max(1, round(left / per_step)))
        return max(1, min(steps, int(target) - step))

    @property
    def _validates_by_time(self) -> bool:
        """Whether ``_next_validation`` is a fraction of the run; else it is a step."""
        training = self.config.training
        return training.minutes is not None and training.valid_every is None

    def _place(self) -> float:
        """How far the run is, as ``_next_validation`` counts."""
        return self._fraction() if self._validates_by_time else self.engine.step

    @cached_property
    def _next_validation(self) -> float:
        """Where to validate next, infinite for nowhere; forgotten by ``_validate``."""
        done = self._place()
        return next((place for place in self._validation_places() if place > done), math.inf)

    def _validation_places(self) -> Iterable[float]:
        """Where in the run to validate, in the unit of ``_place``."""
        if self.valid is None:
            return ()
        training = self.config.training
        if training.valid_every is not None:
            every = training.valid_every * self.engine.examples / training.batch
            # None is missing: the run's end, which may be earlier, validates by itself.
            numbers: Iterable[int] = itertools.count(max(1, int(self.engine.step / every)))
        elif training.minutes is not None:
            return validation_places(self._fraction(), self._validation_seconds, training.minutes)
        else:
            assert self.total_steps is not None
            count = validation_count(
                self.total_steps * training.batch, self.valid.ids.size // self.valid.width
            )
            every = self.total_steps / count
            numbers = range(1, count + 1)
        # The first whole step at or behind each; not by comparing fractions, which round.
        return (max(1, math.ceil(number * every - 1e-6)) for number in numbers)

    def _stale(self) -> bool:
        """Whether the current parameters have not been validated."""
        return self.valid is not None and (
            not self.history or self.history[-1].step != self.engine.step
        )

    def _validate(self) -> Validation:
        """Raises BadNumbers when the loss is not finite."""
        assert self.valid is not None
        run = self.run
        started = time.perf_counter()
        params = self.engine.snapshot()[0]
        total, count = mean_loss(
            params,
            self.config.model,
            self.valid,
            count_boundary=self.config.documents != "file",
            threads=thread_count(self.config.training.threads),
        )
        loss = total / count
        self._validation_seconds = time.perf_counter() - started
        run.seconds += self._validation_seconds
        if not math.isfinite(loss):
            raise BadNumbers(f"the validation loss is {loss} after step {run.step}")
        before = run.best_validation
        validation = Validation(
            step=self.engine.step,
            epoch=self.epoch,
            elapsed=run.seconds,
            loss=loss,
            perplexity=math.exp(min(loss, 700.0)),
            train_loss=mean(run.since_validation),
            best=before is None or loss < before.loss,
        )
        run.since_validation = (0.0, 0)
        run.bad_validations = 0 if validation.best else run.bad_validations + 1
        run.history.append(validation)
        if validation.best:
            run.best = len(run.history) - 1
            self._best = params
        self.__dict__.pop("_next_validation", None)
        for callback in self.callbacks:
            callback.on_validation(validation)
        self._add_row(
            "validation",
            loss=validation.train_loss,
            valid_loss=loss,
            perplexity=validation.perplexity,
            best=validation.best,
        )
        return validation

    def _report(self, loss: float, lr: float, speed: float) -> None:
        fraction = self._fraction()
        training = self.config.training
        step = self.engine.step
        total = max(step, round(step / max(fraction, 1e-9)))
        remaining = (total - step) * training.batch / speed if speed else math.nan
        if training.minutes is not None:
            left = 60 * training.minutes - self.run.seconds
            remaining = min(left, remaining) if self.total_steps and speed else left
        progress = Progress(
            step=step,
            total_steps=total,
            epoch=self.epoch,
            total_epochs=total * training.batch / self.engine.examples,
            fraction=fraction,
            loss=loss,
            lr=lr,
            tokens_per_second=speed,
            elapsed=self.run.seconds,
            remaining=max(0.0, remaining),
        )
        for callback in self.callbacks:
            callback.on_progress(progress)

    # ------------------------------------------------------------------------ going back

    def _keep_state(self) -> None:
        """Copy the state, to go back to if what follows goes wrong."""
        state = self.engine.state._asdict()
        if self._good is None:
            arrays = {name: array.copy() for name, array in state.items()}
        else:
            arrays = self._good.arrays
            for name, array in state.items():
                np.copyto(arrays[name], array)
        self._good = _Good(self.run.copy(), arrays, self._best)

    def _go_back(self, trouble: BadNumbers) -> None:
        """To the last good state, with half the learning rate.

        Raises TrainingError when that was done three times already.
        """
        good, failed = self._good, self.run
        assert good is not None
        self._set_state(good.arrays, good.run.step)
        self._best = good.best
        self.run = good.run.copy()
        self.run.seconds, self.run.training_seconds = failed.seconds, failed.training_seconds
        self.run.rate_factor, self.run.rollbacks = failed.rate_factor, failed.rollbacks
        self.run.rows = failed.rows
        self.__dict__.pop("_next_validation", None)
        rate = self.config.training.base_lr
        if len(failed.rollbacks) >= _MOST_ROLLBACKS:
            self._write_checkpoint("diverged")
            raise TrainingError(
                f"{trouble}, after going back {_MOST_ROLLBACKS} times and halving the learning "
                f"rate each time: training diverged at learning rate {rate:g}; start again with a "
                f"smaller one, e.g. --lr {rate / 2 ** (_MOST_ROLLBACKS + 2):g}"
            )
        self.run.rate_factor = failed.rate_factor / 2
        rollback = {
            "step": failed.step,
            "back_to": self.run.step,
            "cause": str(trouble),
            "rate_factor": self.run.rate_factor,
        }
        self.run.rollbacks = [*failed.rollbacks, rollback]
        self.notice(
            "rollback",
            f"{trouble}: back to step {self.run.step:,} with half the learning rate, "
            f"{rate * self.run.rate_factor:g}",
        )
        self._add_row("rollback", **rollback)
        # So that no older one, with the rate that was too high, is gone on from.
        self._write_checkpoint("running")

    # ------------------------------------------------------------------------ files

    def _add_row(self, event: str, **values: Any) -> None:
        self._last_row = time.monotonic()
        if self.metrics is None:
            return
        row = {
            "event": event,
            "step": self.engine.step,
            "epoch": self.epoch,
            "seconds": self.run.seconds,
        }
        if event == "progress":
            row["loss"] = mean(self.run.since_row)
        if event != "rollback":
            self.run.since_row = (0.0, 0)
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
        self.run.rows = self.metrics.rows

    def _write_checkpoint_if_due(self) -> None:
        step = self.engine.step
        if self.checkpoints is None or not step or not self.checkpoints.due(step):
            return
        if not self._recent.exploded(self.run):  # what is to be gone back from is not worth one
            self._write_checkpoint("running")

    def _write_checkpoint(self, reason: str) -> None:
        """Write the state as it is; one that cannot be written is told of, and training goes on."""
        files, step = self.checkpoints, self.engine.step
        if files is None or not step or self._written == (step, reason):
            return
        started = time.perf_counter()
        try:
            if self.metrics is not None and not self._row_failed:
                self.metrics.sync()
            files.write(
                step,
                model=self.config.model,
                training=self.config.training,
                documents=self.config.documents,
                origin=self.origin,
                corpus=self._corpus,
                run=self.run,
                reason=reason,
                details=self.details(reason),
                params=self.params,
                arrays=self.engine.state._asdict(),
            )
        except (ModelFileError, OSError) as error:
            self._write_failed = True
            kept = (
                "there is none yet"
                if files.written_step is None
                else f"that of step {files.written_step:,} stays"
            )
            self.notice("checkpoint", f"no checkpoint at step {step:,}, {kept}: {error}")
        else:
            self._written = (step, reason)
            if self._write_failed:
                self.notice("checkpoint", f"checkpoints are written again, at step {step:,}")
            self._write_failed = False
        self.run.seconds += time.perf_counter() - started

    def _end(self, reason: str) -> Result:
        if self.run.since_row[1]:
            self._add_row("progress")
        self._write_checkpoint(reason)
        self._compare_with_frequencies()
        run = self.run
        tokens = self.engine.step * self.config.training.batch
        written = self.checkpoints is not None and self.checkpoints.written_step is not None
        result = Result(
            reason=reason,
            step=self.engine.step,
            epoch=self.epoch,
            elapsed=run.seconds,
            tokens=tokens,
            tokens_per_second=tokens / run.training_seconds if run.training_seconds else 0.0,
            train_loss=run.last_loss,
            best=run.best_validation,
            checkpoint=str(self.checkpoints.path) if written and self.checkpoints else None,
        )
        for callback in self.callbacks:
            callback.on_end(result)
        return result

    def _compare_with_frequencies(self) -> None:
        """Say so where a pass over the text or more has not taught the model anything."""
        best = self.run.best_validation
        if best is None or self.valid is None or self.epoch < 1:
            return
        vocab, boundary = self.config.model.vocab, self.config.model.boundary
        measured = token_counts(self.valid, vocab)
        if boundary is not None and self.config.documents == "file":
            measured[boundary] = 0
        # Frequencies of the text to predict itself predict it best, and are counted at once.
        if best.loss < _NOTHING_LEARNED * unigram_loss(measured, measured):
            return
        frequencies = unigram_loss(token_counts(self.engine.tokens, vocab), measured)
        if best.loss >= _NOTHING_LEARNED * frequencies:
            self.notice(
                "no gain",
                f"the validation loss, {best.loss:.4f} nats, is that of the tokens' frequencies "
                f"alone, {frequencies:.4f}: nothing in this text follows from the tokens before, "
                "or the learning rate does not suit it",
                warn=False,
            )

    def details(self, reason: str) -> dict[str, Any]:
        """Facts about the run that stay with the model, in types that JSON has."""
        return run_details(self.run, self.epoch, self.origin.description, reason)


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
