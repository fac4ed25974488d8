"""The kernels of shards, against that of the whole batch."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.config import ModelConfig, TrainingConfig
from fastlm.distributed.engine import ShardedEngine
from fastlm.distributed.shards import SHARDS
from fastlm.model.initialization import scaled_params
from fastlm_kernels.layers.adaptive_softmax import cluster_of
from fastlm_kernels.passes import shards
from tests.distributed.threads import on_ranks

MODEL = ModelConfig(
    vocab=40, context=3, embed=4, hidden=(8,), boundary=0, cutoffs=(10, 25), far=(2,)
)
TRAINING = TrainingConfig(batch=24, dropout=0.3, embed_dropout=0.2, seed=5)
TOKENS = np.random.default_rng(2).integers(0, MODEL.vocab, 500).astype(np.uint16)


@pytest.fixture(scope="module")
def engine():
    (one,) = on_ranks(
        1, lambda each: ShardedEngine(MODEL, TRAINING, TOKENS, scaled_params(MODEL, 1), each)
    )
    return one


@pytest.mark.thorough
def test_the_sum_is_the_gradient_of_the_batch(engine):
    loss, expected = engine.gradient()
    params, _ = engine.snapshot()
    rate = 0.25
    losses = engine.run(np.array([rate]))
    assert losses[0] == pytest.approx(loss, abs=1e-6)
    after, momentum = engine.snapshot()
    np.testing.assert_allclose(momentum, (1 - TRAINING.momentum) * expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(after, params - rate * momentum, rtol=0, atol=1e-6)


@pytest.mark.thorough
def test_ids_are_numbered_and_each_shard_has_its_share_of_every_cluster(engine):
    step = engine.step
    count = shards.prepare_batch(*engine._prepare_arguments(step))
    contexts = engine.scratch.contexts[step % 2]
    ids = engine._slots[step % 2, :count]
    assert sorted(ids) == sorted(set(contexts.tolist()))
    assert engine._slot_of[ids].tolist() == list(range(count))
    assert (engine._slot_of >= 0).sum() == count
    targets = engine.scratch.targets[step % 2]
    cutoffs = np.array([*MODEL.cutoffs, MODEL.vocab])
    clusters = np.array([cluster_of.py_func(int(t), cutoffs) for t in targets])
    for cluster in range(3):
        shares = [(clusters[shard::SHARDS] == cluster).sum() for shard in range(SHARDS)]
        assert max(shares) - min(shares) <= 1
