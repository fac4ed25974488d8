"""The update from the sum of the shards: momentum, weights, and rows that do not occur."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.distributed.engine import ShardedEngine
from fastlm.model.initialization import scaled_params
from tests.distributed.threads import on_ranks
from tests.kernels.passes.test_shards import MODEL, TOKENS, TRAINING


@pytest.mark.thorough
def test_rows_that_do_not_occur_go_on_by_their_momentum():
    """Ids 20 to 39 do not occur: their momentum decays, and moves them by what decays."""
    (engine,) = on_ranks(
        1, lambda each: ShardedEngine(MODEL, TRAINING, TOKENS % 20, scaled_params(MODEL, 1), each)
    )
    absent = slice(20 * MODEL.embed, 40 * MODEL.embed)
    engine.state.momentum[absent] = 0.5
    weights = engine.state.params[absent].astype(np.float64)
    momentum = np.full(weights.size, 0.5)
    rates = np.linspace(0.1, 0.3, 300)  # all rows are settled at step 256
    engine.run(rates)
    for rate in rates:
        momentum *= TRAINING.momentum
        weights -= rate * momentum
    params, after = engine.snapshot()
    np.testing.assert_allclose(params[absent], weights, rtol=0, atol=1e-5)
    np.testing.assert_allclose(after[absent], momentum, rtol=0, atol=1e-6)
