"""Validation: when it is due, what it measures, and a run that learns no more than frequencies."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlm.callbacks import Callback, Validation
from fastlm.config import Config, ModelConfig, TrainingConfig
from fastlm.engine.losses import position_losses
from fastlm.engine.tokens import token_array
from fastlm.training.run_state import RunState
from fastlm.training.schedule import RunPlan
from fastlm.training.trainer import Trainer
from fastlm.training.validation import (
    LEAST_SAMPLE,
    Validator,
    sample_size,
    spread_ranges,
    unigram_loss,
    validation_count,
    validation_points,
)

MODEL = ModelConfig(vocab=12, context=2, embed=4, hidden=(6,))
VALID = np.random.default_rng(1).integers(0, 12, 40)


def planned(examples, valid=VALID, **training):
    """The steps at which a run of this length validates."""
    training = TrainingConfig(**training)
    plan = RunPlan(training, examples)
    tokens = None if valid is None else token_array(valid, 12)
    validator = Validator(Config(model=MODEL, training=training), tokens, plan)
    run, steps = RunState(), []
    validator.schedule_next(run)
    for run.step in itertools.count(1):
        ended = plan.fraction(run) >= 1
        if validator.due(run):
            steps.append(run.step)
            validator.schedule_next(run)
        if ended:
            return steps


@given(st.integers(50, 3000), st.integers(1, 64), st.integers(1, 400), st.floats(0.05, 5))
def test_validations_by_epochs_are_at_the_first_step_after_each(examples, batch, steps, every):
    found = planned(examples, batch=batch, steps=steps, valid_every=every)
    step = every * examples / batch
    expected = {max(1, math.ceil(n * step - 1e-6)) for n in range(1, int(steps / step) + 2)}
    assert found == sorted({at for at in expected if at <= steps} | {steps})


@pytest.mark.parametrize(("examples", "steps"), [(1000, 100), (100, 7), (10**6, 400)])
def test_a_run_by_steps_is_divided_evenly_and_validated_at_its_end(examples, steps):
    found = planned(examples, batch=8, steps=steps)
    count = validation_count(8 * steps, VALID.size)
    assert found == [math.ceil(n * steps / count) for n in range(1, count + 1)]
    assert found[-1] == steps


def test_where_a_run_resumes_changes_no_later_validation():
    training = TrainingConfig(batch=8, steps=50, valid_every=0.3)
    validator = Validator(
        Config(model=MODEL, training=training), token_array(VALID, 12), RunPlan(training, 90)
    )
    *steps, _ = planned(90, batch=8, steps=50, valid_every=0.3)
    for step in range(steps[-1]):
        validator.schedule_next(RunState(step=step))
        assert validator.next_step == min(at for at in steps if at > step)


def test_without_validation_tokens_it_is_never_due():
    assert planned(100, valid=None, batch=8, steps=30) == []


def test_validations_are_few_where_they_are_dear():
    assert validation_count(10**9, 1000) == 20
    assert validation_count(1000, 1000) == 1
    assert validation_count(10_000, 1000) == 2
    assert validation_count(10_000, 0) == 20


@pytest.mark.parametrize(
    ("done", "seconds", "points"),
    [
        (0.0, 0.0, 20),
        (0.0, 0.2, 20),  # rests 2.8 of 60 seconds, a twentieth is 3
        (0.0, 0.3, 18),  # rests 4.2: not in the first twentieth, nor in the last
        (0.5, 0.0, 10),
        (0.96, 0.0, 1),
        (0.0, 1000.0, 1),
    ],
)
def test_validations_in_a_minute(done, seconds, points):
    found = validation_points(done, seconds, 1.0)
    assert len(found) == points
    assert found[-1] == 1.0
    assert found == sorted(found)
    assert found[0] > done


@pytest.mark.parametrize("seconds", [0.1, 0.5, 1.0, 3.0])
def test_validations_take_about_a_fifteenth_of_the_time(seconds):
    done, count = 0.0, 0
    while done < 1:
        done = validation_points(done, seconds if count else 0.0, 1.0)[0]
        count += 1
    # All but the first, whose length nobody knows, and the last, without which there is no model.
    assert (count - 2) * seconds <= 60 / 15


@given(st.floats(0.001, 100), st.floats(1, 1e7), st.integers(1, 10**7))
def test_a_sample_takes_a_fortieth_of_the_time(minutes, speed, tokens):
    size = sample_size(minutes, speed, tokens)
    seconds = 60 * minutes / 40  # of which a token takes a third of a trained one
    if size is None:
        assert tokens <= max(LEAST_SAMPLE, 3 * speed * seconds)
    else:
        assert size < tokens
        assert size.bit_count() == 1
        assert LEAST_SAMPLE <= size <= max(LEAST_SAMPLE, 3 * speed * seconds)
        assert size == LEAST_SAMPLE or 2 * size > 3 * speed * seconds


@given(st.integers(0, 60), st.integers(1, 10**6), st.integers(1, 10**6))
def test_ranges_are_spread_without_overlap(first, size, count):
    found = spread_ranges(first, first + size, count)
    assert sum(stop - start for start, stop in found) == min(size, count)
    edges = [first, *itertools.chain.from_iterable(found), first + size]
    assert edges == sorted(edges)
    gaps = [later[0] - earlier[1] for earlier, later in itertools.pairwise(found)]
    assert not gaps or max(gaps) - min(gaps) <= 2


def test_a_sample_has_the_losses_of_its_positions_in_the_whole_text():
    tokens = np.random.default_rng(4).integers(0, 12, 3000)
    training = TrainingConfig(batch=8, steps=4, valid_tokens=500)
    trainer = Trainer(Config(model=MODEL, training=training), tokens, tokens)
    found = trainer.fit().best
    losses = position_losses(trainer.params, MODEL, token_array(tokens, 12), MODEL.span, 3000)
    (stretch,) = spread_ranges(MODEL.span, 3000, 500)
    expected = losses[stretch[0] - MODEL.span : stretch[1] - MODEL.span].mean()
    assert found.loss == pytest.approx(expected, rel=1e-12)
    assert found.loss != pytest.approx(losses.mean(), rel=1e-6)


def test_the_last_validation_ends_with_the_minutes():
    """What is not training is kept free at the end, at most a tenth."""
    plan = RunPlan(TrainingConfig(batch=8, minutes=1), 1000)
    run = RunState(step=10, seconds=56.0, training_seconds=50.0)
    assert plan.fraction(run) == pytest.approx(56 / 60)
    run.add_validation(Validation(5, 1.0, 9.0, 2.0, 7.4, 2.0, True))
    run.add_validation(Validation(9, 1.0, 9.0, 2.0, 7.4, 2.0, True))
    assert plan.fraction(run) == pytest.approx(56 / 57)
    assert plan.last_step(run) == run.step + 1
    run.training_seconds = 10.0
    assert plan.fraction(run) == 1.0
    run.seconds = 53.0
    assert plan.fraction(run) == pytest.approx(53 / 54)
    assert plan.rates(run, 3)[-1] < plan.rates(run, 3)[0] < 0.1 * plan.training.base_lr


def test_the_loss_of_frequencies_is_a_cross_entropy():
    assert unigram_loss(np.array([999_999, 999_999]), np.array([7, 3])) == pytest.approx(
        math.log(2), rel=1e-6
    )
    even, uneven = np.array([50, 50]), np.array([90, 10])
    assert unigram_loss(uneven, uneven) < unigram_loss(even, uneven) < unigram_loss(uneven, even)


class _Notices(Callback):
    def __init__(self):
        self.kinds = []

    def on_notice(self, notice):
        self.kinds.append(notice.kind)
        self.message = notice.message


def train(tokens, documents="file", boundary=None, **settings):
    notices = _Notices()
    model = ModelConfig(vocab=8, context=2, embed=4, hidden=(8,), boundary=boundary)
    training = TrainingConfig(**{"batch": 32, "epochs": 3, "lr": 0.3, **settings})
    config = Config(model=model, training=training, documents=documents)
    Trainer(config, tokens[:-500], tokens[-500:], callbacks=[notices]).fit()
    return notices


def test_a_text_with_nothing_to_learn_is_noticed():
    found = train(np.random.default_rng(3).choice(8, 4000, p=[0.3] + [0.1] * 7))
    assert found.kinds == ["no gain"]
    numbers = [float(word.strip(",:")) for word in found.message.split() if "." in word]
    expected = unigram_loss(np.array([30] + [10] * 7), np.array([30] + [10] * 7))
    assert numbers == pytest.approx([expected, expected], abs=0.1)


def test_documents_ends_that_are_not_measured_are_left_out():
    tokens = np.random.default_rng(3).integers(0, 7, 4000)
    tokens[::10] = 7
    assert train(tokens, boundary=7).kinds == ["no gain"]


@pytest.mark.parametrize("settings", [{}, {"epochs": None, "steps": 20}])
def test_a_text_with_something_to_learn_or_a_run_too_short_to_tell_is_not(settings):
    orderly = np.tile([1, 2, 3, 4, 0, 7, 6, 5], 500)
    assert (
        train(
            orderly if not settings else np.random.default_rng(3).integers(0, 8, 4000), **settings
        ).kinds
        == []
    )
