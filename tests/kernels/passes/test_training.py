"""Training steps against the float64 oracle: gradients, whole runs, and the unfused update."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fastlm.config import TrainingConfig
from fastlm.engine.training import TrainingEngine
from fastlm_kernels.layers.affine import momentum_update
from fastlm_kernels.passes.training import count_nonfinite
from tests import naive
from tests.oracle_runs import (
    BATCHES,
    NO_JIT,
    SEED,
    assert_close,
    assert_same_run,
    check_gradient,
    initial,
    models,
    random_tokens,
    train_both,
)

SHAPES = list(itertools.product(("concat", "mean"), ((), (6,), (7, 5), (5, 6, 4)), (True, False)))
DROPOUTS = list(itertools.product((0.0, 0.4), (0.0, 0.3)))
CASES = list(itertools.product(SHAPES, DROPOUTS, BATCHES))
if NO_JIT:
    CASES = CASES[::13]  # 13 is prime to the sizes of the product: every value occurs


@pytest.mark.parametrize(
    ("shape", "dropouts", "batch_and_boundary"),
    CASES,
    ids=lambda value: "-".join(map(str, value)).replace(" ", ""),
)
def test_gradient_of_every_tensor(shape, dropouts, batch_and_boundary):
    combine, hidden, bias = shape
    settings = {"combine": combine, "hidden": hidden, "bias": bias}
    check_gradient(settings, dropouts, batch_and_boundary)


def test_several_row_tiles_are_under_test():
    model, oracle = models(11)
    engine = TrainingEngine(model, TrainingConfig(batch=40), random_tokens(11, 60), initial(oracle))
    assert engine.plan.row_tiles == 3


@pytest.mark.parametrize("momentum", [0.0, 0.9, 0.99])
@pytest.mark.parametrize(
    "shape",
    [
        {"combine": "concat", "hidden": (6, 5), "dropout": 0.3, "embed_dropout": 0.2},
        {"combine": "mean", "hidden": (), "bias": False, "boundary": 0},
        {"combine": "mean", "hidden": (6,), "dropout": 0.5},
        {"hidden": (6,), "far": (2, 3), "embed_dropout": 0.2, "boundary": 0},
        {"hidden": (6,), "cutoffs": (5, 9), "dropout": 0.2},
        {"hidden": (), "cutoffs": (4,), "far": (4,), "combine": "mean", "bias": False},
        {"hidden": (6, 5), "embed_dropout": 0.2, "boundary": 4, "batch": 26},
        {"hidden": (6,), "cutoffs": (5, 9), "batch": 26},
    ],
    ids=[
        "concat", "mean-linear", "mean-hidden", "far", "adaptive", "far-adaptive", "table",
        "table-adaptive",
    ],
)  # fmt: skip
def test_training_over_the_ends_of_epochs(shape, momentum):
    shape = dict(shape)
    batch = shape.pop("batch", 8)
    model, oracle = models(13, **shape)
    training = TrainingConfig(
        batch=batch, momentum=momentum, seed=SEED, embed_lr_scale=1.7,
        dropout=oracle.dropout, embed_dropout=oracle.embed_dropout,
    )  # fmt: skip
    steps = 24 if NO_JIT else 48
    rates = 0.4 * (1.2 + np.sin(np.arange(steps)))
    tokens = random_tokens(13, 90)  # an epoch is about eleven steps
    assert_same_run(oracle, *train_both(model, oracle, training, tokens, rates, chunks=3))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_unfused_step_agrees_with_the_fused_one(momentum):
    """Materialised gradient and dense momentum, in float32, step by step."""
    model, oracle = models(13, hidden=(6, 5), dropout=0.3, embed_dropout=0.1)
    training = TrainingConfig(
        batch=40, momentum=momentum, embed_lr_scale=1.5, dropout=0.3, embed_dropout=0.1
    )
    tokens = random_tokens(13, 200)
    params = initial(oracle)
    fused = TrainingEngine(model, training, tokens, params.copy())
    rates = np.linspace(0.6, 0.1, 4 if NO_JIT else 30)
    fused_losses = fused.run(rates)

    dense_params, dense_momentum = params.copy(), np.zeros_like(params)
    embeddings = model.vocab * model.embed
    for step, rate in enumerate(rates.tolist()):
        engine = TrainingEngine(model, training, tokens, dense_params)
        engine.step = step
        engine.state.row_steps[:] = step
        loss, grad = engine.gradient()
        assert loss == pytest.approx(fused_losses[step], rel=1e-6)
        momentum_update(dense_params, dense_momentum, grad, 0, embeddings, rate * 1.5, momentum)
        momentum_update(dense_params, dense_momentum, grad, embeddings, grad.size, rate, momentum)
    settled, settled_momentum = fused.snapshot()
    assert_close(settled, naive.split(dense_params, oracle), oracle, 1e-5)
    if momentum == 0:  # nothing is carried over from one step to the next
        dense_momentum[:] = 0
    assert_close(settled_momentum, naive.split(dense_momentum, oracle), oracle, 1e-5)


@pytest.mark.parametrize("seed", [0, 2**31, 2**32 + 1, 2**63 - 1])
def test_large_seeds_are_the_oracles(seed):
    model, oracle = models(9, hidden=(4,), dropout=0.5)
    training = TrainingConfig(batch=5, seed=seed, dropout=0.5)
    rates = np.full(6, 0.3)
    assert_same_run(oracle, *train_both(model, oracle, training, random_tokens(9, 40), rates))


def test_count_nonfinite():
    array = np.array([1.0, np.nan, np.inf, -np.inf, 3e38, -np.nan], dtype=np.float32)
    assert count_nonfinite(array) == 4
