"""How long a run is and how its learning rate goes."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.config import TrainingConfig
from fastlm.training.schedule import (
    default_epochs,
    fraction_done,
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


def test_what_is_done_of_steps_and_of_minutes():
    both = TrainingConfig(steps=100, minutes=1.0)
    assert fraction_done(both, 100, 50, 12.0) == 0.5
    assert fraction_done(both, 100, 50, 45.0) == 0.75
    assert fraction_done(both, 100, 50, 90.0) == 1.0
    assert fraction_done(TrainingConfig(steps=100), 100, 25, 1e6) == 0.25
    assert fraction_done(TrainingConfig(minutes=1.0), None, 10**6, 15.0) == 0.25
    np.testing.assert_array_equal(
        fraction_done(both, 100, np.array([10, 20]), np.array([3.0, 30.0])), [0.1, 0.5]
    )


def test_default_length():
    assert default_epochs(100) == 30
    assert default_epochs(1_000_000) == 5
    assert default_epochs(10**9) == 1
    assert planned_steps(TrainingConfig(batch=100), 10_000) == 30 * 100
