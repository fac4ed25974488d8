"""Training example by example against the float64 oracle."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.config import TrainingConfig
from fastlm.engine.training import TrainingEngine
from fastlm_kernels.passes.single_example import settle_everything
from tests.oracle_runs import (
    NO_JIT,
    SEED,
    assert_same_run,
    initial,
    models,
    random_tokens,
    train_both,
)


def test_examples_in_the_order_of_the_text():
    model, oracle = models(9, hidden=(6,))
    training = TrainingConfig(batch=1, momentum=0.9, shuffle=False)
    rates = np.full(40, 0.05)
    assert_same_run(oracle, *train_both(model, oracle, training, random_tokens(9, 30), rates))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize(
    "shape",
    [
        {"combine": "mean", "bias": False, "embed": 20},
        {"hidden": (40, 33), "dropout": 0.3, "embed_dropout": 0.2},
        {"hidden": (3,), "boundary": 0},
    ],
    ids=["tiny", "wide", "narrow"],
)
def test_training_example_by_example(shape, momentum):
    """Rows wider than a vector, and narrower; inputs that are zero, and repeated tokens."""
    model, oracle = models(33, **shape)
    training = TrainingConfig(
        batch=1, momentum=momentum, seed=SEED, embed_lr_scale=1.5,
        dropout=oracle.dropout, embed_dropout=oracle.embed_dropout,
    )  # fmt: skip
    steps = 12 if NO_JIT else 90
    rates = np.linspace(0.1, 0.02, steps)
    assert_same_run(
        oracle, *train_both(model, oracle, training, random_tokens(33, 60), rates, chunks=3),
        tolerance=2e-5,
    )  # fmt: skip


def test_settling_everything_twice_is_settling_once():
    model, oracle = models(9, hidden=(6,))
    engine = TrainingEngine(
        model, TrainingConfig(batch=1, momentum=0.9), random_tokens(9, 40), initial(oracle)
    )
    assert engine.is_single_example
    engine.run(np.full(20, 0.1))
    settle_everything(engine.state, engine.network, engine.plan, engine.step)
    once = [array.copy() for array in engine.state]
    settle_everything(engine.state, engine.network, engine.plan, engine.step)
    for array, before in zip(engine.state, once, strict=True):
        np.testing.assert_array_equal(array, before)
    assert engine.snapshot()[0].tobytes() == once[0].tobytes()
