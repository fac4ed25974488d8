"""The output swept by columns: gradients and training against the oracle."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.config import TrainingConfig
from fastlm.engine import tiling
from tests.oracle_runs import (
    EXTRAS,
    SEED,
    assert_same_run,
    check_gradient,
    models,
    random_tokens,
    train_both,
)


@pytest.fixture(params=[1, 2, 4], ids="blocks-of-{}".format)
def sweeps_columns(request, monkeypatch):
    """Every output is swept by columns, in up to three tiles of several blocks."""
    monkeypatch.setattr(tiling, "_MIN_SWEPT_WEIGHTS", 0)
    monkeypatch.setattr(tiling, "_MIN_SWEPT_RATIO", 0)
    monkeypatch.setattr(tiling, "_MAX_COLUMN_TILES", 3)
    monkeypatch.setattr(tiling, "_tile_width", lambda *_: request.param)


@pytest.mark.parametrize("extra", [{}, *EXTRAS], ids=str)
@pytest.mark.parametrize("dropouts", [(0.0, 0.0), (0.7, 0.3)])
@pytest.mark.parametrize("hidden", [(), (7, 5)])
@pytest.mark.usefixtures("sweeps_columns")
def test_gradient_where_the_output_is_swept_by_columns(extra, dropouts, hidden):
    check_gradient({"hidden": hidden, **extra}, dropouts, (40, None))


@pytest.mark.parametrize(
    "shape",
    [{"hidden": (6,), "dropout": 0.3}, {"hidden": (6,), "cutoffs": (5, 9)}, {"far": (2, 3)}],
    ids=["hidden", "adaptive", "far"],
)
@pytest.mark.usefixtures("sweeps_columns")
def test_training_where_the_output_is_swept_by_columns(shape):
    model, oracle = models(13, **shape)
    training = TrainingConfig(batch=20, seed=SEED, dropout=oracle.dropout)
    tokens = random_tokens(13, 90)
    rates = np.full(12, 0.4)
    assert_same_run(oracle, *train_both(model, oracle, training, tokens, rates, chunks=3))
