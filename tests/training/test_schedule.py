"""How long a run is and how its learning rate goes."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.config import TrainingConfig
from fastlm.training.run_state import RunState
from fastlm.training.schedule import (
    RunPlan,
    default_epochs,
    learning_rates,
    planned_steps,
)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("constant", [2.0, 2.0, 2.0, 2.0, 2.0]),
        ("linear", [2.0, 1.5, 1.0, 0.5, 0.0]),
        # 1 + cos(pi f), twice halved.
        ("cosine", [2.0, 1 + np.sqrt(0.5), 1.0, 1 - np.sqrt(0.5), 0.0]),
    ],
)
def test_shapes(schedule, expected):
    training = TrainingConfig(lr=2.0, schedule=schedule)
    rates = learning_rates(training, np.linspace(0, 1, 5), 0)
    np.testing.assert_allclose(rates, expected, atol=1e-12)
    assert rates.dtype == np.float64


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_rates_never_rise_nor_fall_below_zero(schedule):
    training = TrainingConfig(lr=0.7, schedule=schedule)
    rates = learning_rates(training, np.linspace(0, 1.2, 50), 0)
    assert rates[0] == pytest.approx(0.7)
    assert np.all(np.diff(rates) <= 1e-12)
    assert rates.min() >= 0


def test_warmup_rises_from_zero_over_its_steps():
    training = TrainingConfig(lr=1.0, schedule="constant", warmup=4)
    rates = learning_rates(training, np.zeros(6), 0)
    np.testing.assert_allclose(rates, [0.25, 0.5, 0.75, 1.0, 1.0, 1.0])
    np.testing.assert_allclose(learning_rates(training, np.zeros(3), 2), [0.75, 1.0, 1.0])


def test_rates_do_not_depend_on_how_the_run_is_cut():
    training = TrainingConfig(lr=1.0, schedule="cosine", warmup=5)
    fractions = np.arange(20) / 20
    whole = learning_rates(training, fractions, 0)
    parts = [learning_rates(training, fractions[a:b], a) for a, b in ((0, 3), (3, 4), (4, 20))]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize(
    ("setting", "steps"),
    [
        ({"steps": 17}, 17),
        ({"epochs": 2, "batch": 10}, 20),
        ({"epochs": 0.5, "batch": 10}, 5),
        ({"epochs": 1, "batch": 30}, 4),  # a last batch that reaches into the next epoch
        ({"epochs": 0.001, "batch": 256}, 1),
        ({"minutes": 1.0}, None),
        ({"minutes": 1.0, "epochs": 2, "batch": 10}, 20),
    ],
)
def test_planned_steps_for_a_hundred_examples(setting, steps):
    assert planned_steps(TrainingConfig(**setting), 100) == steps


@pytest.mark.parametrize(
    ("setting", "step", "seconds", "fraction"),
    [
        ({"steps": 100, "minutes": 1.0}, 50, 12.0, 0.5),
        ({"steps": 100, "minutes": 1.0}, 50, 45.0, 0.75),
        ({"steps": 100, "minutes": 1.0}, 50, 90.0, 1.0),
        ({"steps": 100}, 25, 1e6, 0.25),
        ({"minutes": 1.0}, 10**6, 15.0, 0.25),
    ],
)
def test_what_is_done_of_steps_and_of_minutes(setting, step, seconds, fraction):
    plan = RunPlan(TrainingConfig(**setting), 100)
    assert plan.fraction(RunState(step=step, seconds=seconds)) == fraction


def test_rates_of_a_run_follow_its_steps_and_its_rollbacks():
    plan = RunPlan(TrainingConfig(lr=2.0, steps=10), 100)
    run = RunState(step=5, rate_factor=0.5)
    np.testing.assert_allclose(plan.rates(run, 3), [0.5, 0.4, 0.3])


def test_rates_by_time_expect_steps_to_take_as_long_as_before():
    plan = RunPlan(TrainingConfig(lr=1.0, minutes=1.0), 100)
    run = RunState(step=10, seconds=30.0, training_seconds=10.0)
    np.testing.assert_allclose(plan.rates(run, 3), [30 / 60, 29 / 60, 28 / 60])
    assert plan.last_step(run) == 40


@pytest.mark.parametrize(
    ("setting", "last"), [({"steps": 20}, 20), ({"steps": 20, "minutes": 1.0}, 20), ({}, 30)]
)
def test_the_last_step(setting, last):
    plan = RunPlan(TrainingConfig(batch=100, **setting), 100)
    run = RunState(step=10, seconds=1.0, training_seconds=1.0)
    assert plan.last_step(run) == last
    assert plan.epoch(last) == last


def test_default_length():
    assert default_epochs(100) == 30
    assert default_epochs(1_000_000) == 5
    assert default_epochs(10**9) == 1
    assert planned_steps(TrainingConfig(batch=100), 10_000) == 30 * 100
