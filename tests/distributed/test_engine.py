"""The engine of ranks: the same bits for any number of them, and the ordinary run's losses."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.config import ModelConfig, TrainingConfig
from fastlm.distributed.agreement import is_agreed
from fastlm.distributed.engine import ShardedEngine
from fastlm.engine.training import TrainingEngine
from fastlm.errors import ConfigError, TrainingError
from fastlm.model.initialization import scaled_params
from fastlm_kernels.runtime.jit import JIT_DISABLED
from tests.distributed.threads import on_ranks

# Together they have every unit; ``wide`` sweeps its output by columns.
MODELS = {
    "plain": ModelConfig(vocab=60, context=3, embed=8, hidden=(24, 16), boundary=0),
    "mean": ModelConfig(vocab=60, context=4, embed=8, hidden=(), combine="mean"),
    "adaptive": ModelConfig(
        vocab=60, context=3, embed=8, hidden=(24,), boundary=0, cutoffs=(10, 40), far=(3, 6)
    ),
    "wide": ModelConfig(vocab=9000, context=3, embed=8, hidden=(32,), boundary=0),
}
if JIT_DISABLED:
    del MODELS["wide"]

HOW = {"dropout": 0.2, "embed_dropout": 0.1, "weight_decay": 1e-3, "seed": 3}
TRAINING = TrainingConfig(batch=16 if JIT_DISABLED else 64, **HOW)
STEPS = 3 if JIT_DISABLED else 300
# Low, since these tokens teach nothing: rates that learn them by heart make differences grow.
RATES = np.linspace(0.1, 0.02, STEPS)


def tokens_of(model):
    weights = 1.0 / np.arange(1, model.vocab + 1)
    rng = np.random.default_rng(0)
    return rng.choice(model.vocab, size=5000, p=weights / weights.sum()).astype(np.uint16)


def trained(model, size, threads=1, calls=(STEPS,), training=TRAINING):
    """What each of ``size`` ranks has after training: losses, parameters, momentum."""

    def work(communicator):
        engine = ShardedEngine(
            model, training, tokens_of(model), scaled_params(model, 1), communicator
        )
        engine.threads = threads
        engine.compile()
        assert engine.is_compiled
        losses, done = [], 0
        for steps in calls:
            losses.append(engine.run(RATES[done : done + steps]))
            done += steps
        assert engine.steps_run == done == engine.step
        assert 0 <= engine.communication <= 1
        return np.concatenate(losses), *engine.snapshot()

    return on_ranks(size, work)


def bits(result):
    return [array.tobytes() for array in result]


@pytest.mark.thorough
@pytest.mark.parametrize("name", MODELS)
def test_the_losses_of_an_ordinary_run_and_the_same_bits_for_any_ranks(name):
    model = MODELS[name]
    ordinary = TrainingEngine(model, TRAINING, tokens_of(model), scaled_params(model, 1))
    losses = ordinary.run(RATES)
    (alone,) = trained(model, 1)
    np.testing.assert_allclose(alone[0], losses, rtol=0, atol=1e-5)
    for mine, theirs in zip(alone[1:], ordinary.snapshot(), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-4)
    for size in (2, 3, 4, 8) if name == "adaptive" else (2,):
        for rank in trained(model, size):
            assert bits(rank) == bits(alone)


@pytest.mark.thorough
def test_neither_threads_nor_calls_change_a_bit():
    model = MODELS["adaptive"]
    (alone,) = trained(model, 1)
    (threads,) = trained(model, 1, threads=3, calls=(1, STEPS - 1))
    assert bits(threads) == bits(alone)


@pytest.mark.thorough
def test_without_momentum():
    model, training = MODELS["plain"], TrainingConfig(batch=16, momentum=0.0)
    ordinary = TrainingEngine(model, training, tokens_of(model), scaled_params(model, 1))
    losses = ordinary.run(RATES[:20])
    (alone,) = trained(model, 1, calls=(min(20, STEPS),), training=training)
    np.testing.assert_allclose(alone[0], losses, rtol=0, atol=1e-5)


@pytest.mark.thorough
def test_a_rank_with_other_parameters_stops_the_run(monkeypatch):
    model = MODELS["plain"]
    monkeypatch.setattr("fastlm.distributed.engine._CHECK_EVERY", 2)

    def work(communicator):
        engine = ShardedEngine(
            model, TRAINING, tokens_of(model), scaled_params(model, 1), communicator
        )
        engine.run(RATES[:2])
        if communicator.rank == 1:
            engine.state.params[7] += np.float32(1e-3)
        with pytest.raises(TrainingError, match=r"rank 1 has other parameters .* step 4") as caught:
            engine.run(np.zeros(2))
        return is_agreed(caught.value)

    assert on_ranks(2, work) == [True, True]


@pytest.mark.parametrize("batch", [1, 100])
def test_batches_that_do_not_suit(batch):
    model = MODELS["plain"]
    with pytest.raises(ConfigError, match=f"batch is {batch}, "):
        on_ranks(
            1,
            lambda each: ShardedEngine(
                model,
                TrainingConfig(batch=batch),
                tokens_of(model),
                scaled_params(model, 1),
                each,
            ),
        )
