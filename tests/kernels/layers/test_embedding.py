"""Embeddings: rows that do not occur move as the oracle's do, and the closed form of that."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.config import TrainingConfig
from fastlm_kernels.layers.embedding import SETTLE_EVERY, decay_sums, fill_decays
from tests.oracle_runs import (
    NO_JIT,
    SEED,
    assert_same_run,
    models,
    random_tokens,
    train_both,
)


@pytest.mark.parametrize("combine", ["concat", "mean"])
@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("batch", [1, 4])
def test_embedding_rows_that_rest_while_the_rate_changes(combine, momentum, batch):
    """A row's momentum acts at the rates of the steps in which it rested, however many.

    Some rows rest for hundreds of steps: no memory of past rates may be too short for them.
    """
    steps = 60 if NO_JIT else 600
    model, oracle = models(150, context=2, embed=3, hidden=(5,), combine=combine)
    training = TrainingConfig(batch=batch, momentum=momentum, seed=SEED, embed_lr_scale=2.0)
    rates = np.linspace(0.8, 0.01, steps)
    tokens = random_tokens(150, 900)
    assert_same_run(oracle, *train_both(model, oracle, training, tokens, rates, chunks=5))


def test_a_row_that_rested_longer_than_its_momentum_lasts():
    """The smallest such case: token 1 occurs once, at the start; later the rate falls to a 1000th.

    Half of what its gradient moves it comes in the steps after, at the rates of those steps.
    """
    model, oracle = models(3, context=1, embed=2)
    training = TrainingConfig(batch=1, momentum=0.5, shuffle=False)
    tokens = np.array([1, 2, *[0, 2] * 320])
    rates = np.where(np.arange(600) < 20, 1.0, 1e-3)
    # A model so sure of itself has gradients that are the difference of two nearly equal numbers.
    assert_same_run(oracle, *train_both(model, oracle, training, tokens, rates), tolerance=1e-4)


def test_the_closed_form_of_steps_without_a_gradient():
    """k steps of m *= b, w -= r m, as one: w -= m * total, m *= power."""
    rates = np.random.default_rng(0).random(SETTLE_EVERY + 1)
    since, until, beta = 250, 270, 0.8
    w, m = 1.0, 0.3
    for step in range(since, until):
        m *= beta
        w -= rates[step % rates.size] * m
    total, power = decay_sums(rates, since, until, beta)
    assert 1.0 - 0.3 * total == pytest.approx(w, rel=1e-12)
    assert 0.3 * power == pytest.approx(m, rel=1e-12)


def test_the_table_of_decays_holds_the_closed_form():
    rates = np.random.default_rng(1).random(SETTLE_EVERY + 1)
    for until in (1, 5, SETTLE_EVERY, SETTLE_EVERY + 3):
        decays = np.full((2, SETTLE_EVERY + 1), np.nan)
        fill_decays(decays, rates, until, 0.9)
        settled = (until - 1) // SETTLE_EVERY * SETTLE_EVERY
        for since in range(settled, until + 1):
            expected = decay_sums(rates, since, until, 0.9)
            np.testing.assert_allclose(decays[:, until - since], expected, rtol=1e-12)
