"""Training with a token table: gradients against the oracle, runs against the plain layer."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.config import TrainingConfig
from fastlm.engine import tiling
from fastlm.engine.training import TrainingEngine
from fastlm_kernels.layers.embedding import SETTLE_EVERY
from tests import naive
from tests.oracle_runs import NO_JIT, SEED, assert_close, initial, models, random_tokens, wide


@pytest.mark.parametrize("boundary", [None, 3])
@pytest.mark.parametrize("embed_dropout", [0.0, 0.3])
def test_gradient_where_the_first_layer_uses_a_token_table(embed_dropout, boundary):
    """Few of many ids occur: the table has rows for those alone (and for what fills a context)."""
    used = np.array([2, 5, 17, 29, 30])
    model, oracle = models(
        31, context=5, hidden=(7, 5), boundary=boundary, embed_dropout=embed_dropout, dropout=0.2
    )
    training = TrainingConfig(batch=40, seed=SEED, embed_dropout=embed_dropout, dropout=0.2)
    tokens = used[random_tokens(used.size, 80)]
    params = initial(oracle)
    engine = TrainingEngine(model, training, tokens, params.copy())
    assert engine.plan.table_tiles
    assert engine.scratch.token_table.ids.tolist() == sorted([*used, max(boundary or 0, 0)])
    loss, grad = engine.gradient()
    edge = -1 if boundary is None else boundary
    positions = naive.batch_positions(SEED, 0, 40, 80, oracle.span, edge, True)
    contexts, targets = naive.contexts_and_targets(tokens, positions, oracle.span, edge)
    losses, expected = naive.loss_and_gradients(
        wide(params, oracle), oracle, contexts, targets, SEED, 0
    )
    assert loss == pytest.approx(losses.mean(), rel=1e-5)
    assert_close(grad, expected, oracle, 1e-5)


@pytest.mark.parametrize("momentum", [0.0, 0.99])
@pytest.mark.parametrize("embed_dropout", [0.0, 0.3])
@pytest.mark.parametrize("tiles", [1, 4])
def test_a_token_table_trains_as_the_layer_itself(tiles, embed_dropout, momentum, monkeypatch):
    """Also where rows that this text does not have still move by the momentum of another."""
    used = np.array([2, 5, 9])
    model, oracle = models(12, context=4, hidden=(6, 5), embed_dropout=embed_dropout)
    training = TrainingConfig(
        batch=24, seed=SEED, embed_dropout=embed_dropout, momentum=momentum, embed_lr_scale=0.5
    )
    tokens = used[random_tokens(used.size, 60)]
    before = TrainingEngine(model, training, random_tokens(12, 60), initial(oracle))
    before.step = SETTLE_EVERY - 12
    before.run(np.full(7, 0.1))

    def trained():
        engine = TrainingEngine(model, training, tokens, before.state.params)
        for mine, its in zip(engine.state, before.state, strict=True):
            mine[...] = its
        engine.step = before.step
        losses = engine.run(np.linspace(0.05, 0.0, 12 if NO_JIT else SETTLE_EVERY + 20))
        return engine.plan.table_tiles, losses, *engine.snapshot()

    monkeypatch.setattr(tiling, "_LARGE", 0 if tiles > 1 else 2**17)
    ours = trained()
    monkeypatch.setattr("fastlm.engine.tiling.uses_token_table", lambda *_: False)
    theirs = trained()
    assert (ours[0], theirs[0]) == (tiles, 0)
    for mine, its in zip(ours[1:], theirs[1:], strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-4, atol=1e-6)
    resting = np.setdiff1d(np.arange(1, 12), used)
    rows = [params[: 12 * 4].reshape(12, 4)[resting] for params in (ours[2], before.state.params)]
    assert (momentum > 0) == (rows[0] != rows[1]).any()
