"""Validation of a run: when it is due, its loss, and the best parameters so far."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.callbacks import Validation
from fastlm.config import Config
from fastlm.engine.losses import mean_loss, position_losses
from fastlm.engine.network import first_target
from fastlm.engine.tokens import flat_ids, token_counts
from fastlm.engine.training import TrainingEngine
from fastlm.model.figures import perplexity
from fastlm.model.initialization import log_unigram
from fastlm.system.resources import thread_count
from fastlm.text.documents import is_one_document
from fastlm.training.divergence import BadNumbers
from fastlm.training.run_state import RunState
from fastlm.training.schedule import RunPlan
from fastlm_kernels.runtime.arguments import Tokens

__all__ = [
    "LEAST_SAMPLE",
    "Validator",
    "sample_size",
    "spread_ranges",
    "unigram_loss",
    "validation_count",
    "validation_points",
]

# Validations of a run, unless ``valid_every`` says how many.
_MOST_VALIDATIONS = 20
# Least gap between validations of a run bounded by time, in durations of the last one.
_GAP = 14.0
LEAST_SAMPLE = 1024
"""The fewest tokens that a run bounded by time validates on."""

# Share of a run bounded by time that one validation takes at most. With the gap, the first and the
# last, all take less than an eighth.
_SHARE = 1 / 40
# A validated token costs a third of a trained one, since there is only a forward pass.
_COST = 1 / 3
# Stretches of a sample, and the tokens of one: shorter ones would cost more to begin.
_MOST_STRETCHES = 16
_STRETCH = 4096
# A model whose loss is at least this share of the unigram loss has learned no more than that.
_NOTHING_LEARNED = 0.995


def validation_count(total_examples: float, valid_tokens: int) -> int:
    """Return the validations of a run: at most twenty, and about a fifteenth of the time."""
    return max(1, min(_MOST_VALIDATIONS, int(total_examples / (5 * max(1, valid_tokens)))))


def sample_size(minutes: float, speed: float, valid_tokens: int) -> int | None:
    """Return how many tokens a run bounded by time validates on; None: all.

    It is a power of two, so that runs of about the same speed have the same sample.

    Parameters
    ----------
    minutes : float
        Length of the run.
    speed : float
        Training examples per second.
    valid_tokens : int
        Tokens of the validation text.
    """
    most = 60 * minutes * _SHARE * speed / _COST
    if valid_tokens <= max(most, LEAST_SAMPLE):
        return None
    return max(LEAST_SAMPLE, 1 << int(math.log2(most)) if most >= 1 else 1)


def spread_ranges(first: int, stop: int, count: int) -> list[tuple[int, int]]:
    """Return ranges of together ``count`` positions, evenly spread over first <= t < stop."""
    if count >= stop - first:
        return [(first, stop)]
    stretches = max(1, min(_MOST_STRETCHES, count // _STRETCH))
    edges = [count * number // stretches for number in range(stretches + 1)]
    starts = [first + (stop - first) * number // stretches for number in range(stretches)]
    pairs = zip(starts, itertools.pairwise(edges), strict=True)
    return [(start, start + high - low) for start, (low, high) in pairs]


def validation_points(done: float, last_seconds: float, minutes: float) -> list[float]:
    """Return where a run bounded by time validates next, as fractions of the run.

    These are twentieths of the run, as few as keep validation to a fifteenth of the time, and its
    end. Points before the fraction ``done`` are left out. ``last_seconds`` is the duration of the
    last validation, 0 if there was none; ``minutes`` that of the run.
    """
    gap = (_GAP * last_seconds) / (60 * minutes)
    points = [k / _MOST_VALIDATIONS for k in range(1, _MOST_VALIDATIONS)]
    return [point for point in points if done < point and done + gap <= point <= 1 - gap] + [1.0]


def unigram_loss(counts: NDArray[Any], measured: NDArray[Any]) -> float:
    """Return the loss, in nats per token, of predicting every token by its frequency alone.

    counts : int[V], how often each token occurs in the training text
    measured : int[V], how often it occurs in the text to predict; not all zero
    """
    measured = np.asarray(measured, dtype=np.float64)
    return float(-(measured @ log_unigram(counts)) / measured.sum())


class _Schedule:
    """The points of a run at which it validates: steps or, ``by_time``, fractions of the run."""

    def __init__(self, plan: RunPlan, valid_tokens: int) -> None:
        training = plan.training
        self.by_time = training.minutes is not None and training.valid_every is None
        self._minutes = training.minutes or 0.0
        self._every = 1.0
        if training.valid_every is not None:
            self._every = training.valid_every * plan.examples / training.batch
        elif plan.total_steps is not None:
            count = validation_count(plan.total_steps * training.batch, valid_tokens)
            self._every = plan.total_steps / count
        # Validations of every fraction of a step are validations of every step.
        self._every = max(1.0, self._every)

    def next_point(self, position: float, last_seconds: float) -> float:
        """Return the first point after ``position``, infinite for none."""
        if self.by_time:
            points: Iterable[float] = validation_points(position, last_seconds, self._minutes)
        else:
            numbers = itertools.count(max(1, int(position / self._every)))
            # The first whole step at or after each; fractions are not compared, since they round.
            points = (max(1, math.ceil(number * self._every - 1e-6)) for number in numbers)
        return next((point for point in points if point > position), math.inf)


class Validator:
    """Validates a run when that is due, and keeps the best parameters.

    ``tokens`` are the validation tokens, None to never validate, and ``size`` is their number.
    ``best``, float32[n], are the parameters of the best validation so far; they are replaced, never
    modified.
    """

    def __init__(self, config: Config, tokens: Tokens | None, plan: RunPlan) -> None:
        self.tokens = tokens
        self.size = 0 if tokens is None else tokens.ids.size // tokens.width
        self.best: NDArray[np.float32] | None = None
        self._config = config
        self._plan = plan
        self.last_seconds = 0.0
        self._next = math.inf
        self._ranges: list[tuple[int, int]] | None = None
        measured, wanted = self.size, config.training.valid_tokens
        if wanted is not None and wanted < self.size:
            self._ranges = spread_ranges(first_target(config.model), self.size, wanted)
            measured = wanted
        self._schedule = _Schedule(plan, measured)

    @property
    def ids(self) -> NDArray[Any] | None:
        """The tokens that are measured, int[N]; None without any."""
        if self.tokens is None or self._ranges is None:
            return None if self.tokens is None else flat_ids(self.tokens)
        return np.concatenate([flat_ids(self.tokens)[slice(*each)] for each in self._ranges])

    def compile(self, engine: TrainingEngine) -> None:
        """Compile what validates before the clock of a run bounded by time runs."""
        model, last = self._config.model, self.size - 1
        timed = self._config.training.minutes is not None
        if timed and self.tokens is not None and last >= first_target(model):
            position_losses(engine.state.params, model, self.tokens, last, self.size)

    def schedule_next(self, run: RunState) -> None:
        """Choose the point of the next validation, after where the run is."""
        if self.tokens is not None:
            self._next = self._schedule.next_point(self._position(run), self.last_seconds)

    @property
    def next_step(self) -> float:
        """The step at which validation is due next, infinite if time decides."""
        return math.inf if self._schedule.by_time else self._next

    def due(self, run: RunState) -> bool:
        """Tell whether to validate now: at a planned point, and always at the end of the run."""
        if self.tokens is None:
            return False
        validated = bool(run.history) and run.history[-1].step == run.step
        at_end = self._plan.fraction(run) >= 1 and not validated
        return at_end or self._position(run) >= self._next

    def _position(self, run: RunState) -> float:
        return self._plan.fraction(run) if self._schedule.by_time else run.step

    def validate(self, engine: TrainingEngine, run: RunState) -> Validation:
        """Measure the current parameters and add the validation to ``run``; raise BadNumbers."""
        assert self.tokens is not None
        started = time.perf_counter()
        params = engine.snapshot()[0]
        total, count = mean_loss(
            params,
            self._config.model,
            self.tokens,
            count_boundary=not is_one_document(self._config.documents),
            threads=thread_count(self._config.training.threads),
            ranges=self._ranges,
        )
        loss = total / count
        self.last_seconds = time.perf_counter() - started
        run.seconds += self.last_seconds
        if not math.isfinite(loss):
            raise BadNumbers(f"the validation loss is {loss} after step {run.step}")
        best = run.best_validation
        validation = Validation(
            step=run.step,
            epoch=self._plan.epoch(run.step),
            elapsed=run.seconds,
            loss=loss,
            perplexity=perplexity(min(loss, 700.0)),  # finite, as checkpoints need it
            train_loss=run.since_validation.value,
            best=best is None or loss < best.loss,
        )
        run.add_validation(validation)
        if validation.best:
            self.best = params
        self.schedule_next(run)
        return validation

    def no_gain(self, run: RunState, train_tokens: Tokens) -> str | None:
        """Return a line for people if an epoch or more taught no more than token frequencies."""
        best = run.best_validation
        if best is None or self.tokens is None or self._plan.epoch(run.step) < 1:
            return None
        model = self._config.model
        measured = token_counts(self.tokens, model.vocab)
        if model.boundary is not None and is_one_document(self._config.documents):
            measured[model.boundary] = 0
        # The validation text's own frequencies predict it best, and are counted at once.
        if best.loss < _NOTHING_LEARNED * unigram_loss(measured, measured):
            return None
        frequencies = unigram_loss(token_counts(train_tokens, model.vocab), measured)
        if best.loss < _NOTHING_LEARNED * frequencies:
            return None
        return (
            f"the validation loss, {best.loss:.4f} nats, is that of the tokens' frequencies alone, "
            f"{frequencies:.4f}: nothing in this text follows from the tokens before, or the "
            "learning rate does not suit it"
        )
