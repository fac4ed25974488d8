"""Token arrays and parameters from outside: every form, no copies, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.config import ModelConfig, TrainingConfig
from fastlm.engine.losses import position_losses
from fastlm.engine.tokens import count_examples, token_array
from fastlm.engine.training import TrainingEngine
from fastlm.errors import ConfigError
from tests import naive
from tests.oracle_runs import (
    NO_JIT,
    SEED,
    assert_same_run,
    initial,
    models,
    random_tokens,
    state_bytes,
    train_both,
    wide,
)


@pytest.mark.parametrize("kind", ["uint32", "int64", "list", "strided", "read-only", "memory-map"])
def test_every_form_of_tokens_gives_the_same_bytes(kind, tmp_path):
    model, oracle = models(11, hidden=(6,), boundary=0)
    ids = random_tokens(11, 120).astype(np.uint16)
    forms = {
        "uint32": lambda: ids.astype(np.uint32),
        "int64": lambda: ids.astype(np.int64),
        "list": lambda: ids.tolist(),
        "strided": lambda: np.repeat(ids, 2)[::2],
        "read-only": lambda: read_only(ids),
        "memory-map": lambda: memory_map(ids, tmp_path / "ids.npy"),
    }
    params = initial(oracle)
    results = []
    for tokens in (ids, forms[kind]()):
        engine = TrainingEngine(model, TrainingConfig(batch=7), tokens, params.copy())
        losses = engine.run(np.full(5, 0.5))
        nats = position_losses(params, model, engine.tokens, 0, 120)
        results.append((losses.tobytes(), nats.tobytes(), *state_bytes(engine)))
    assert results[0] == results[1]


def read_only(ids):
    copy = ids.copy()
    copy.flags.writeable = False
    return copy


def memory_map(ids, path):
    np.save(path, ids)
    return np.load(path, mmap_mode="r")


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
def test_arrays_of_16_and_32_bits_are_not_copied(dtype):
    ids = read_only(random_tokens(11, 50).astype(dtype))
    assert np.shares_memory(token_array(ids, 11).ids, ids)


def test_a_vocabulary_beyond_16_bits():
    vocab, batch, steps = 70_000, 2, 1 if NO_JIT else 12
    model, oracle = models(vocab, context=2, embed=2, hidden=())
    tokens = np.concatenate([[69_999, 65_536, 4, 65_535, 0], random_tokens(vocab, 20)])
    training = TrainingConfig(batch=batch, momentum=0.9, seed=SEED)
    rates = np.full(steps, 0.3)
    assert_same_run(oracle, *train_both(model, oracle, training, tokens, rates))
    params = initial(oracle)
    stop = 4 if NO_JIT else 25
    losses = position_losses(params, model, token_array(tokens, vocab), 2, stop)
    expected = naive.nll_of_positions(wide(params, oracle), oracle, tokens, np.arange(2, stop))
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([1, 2, 3, 11], r"token id 11 is outside 0\.\.10"),
        ([1, 2, -3, 4], r"token id -3 is outside 0\.\.10"),
        ([[1, 2], [3, 4]], r"shape \(2, 2\); give a 1-D array"),
        ([1.0, 2.0], "float64"),
        (["a", "b"], "give a 1-D array of integer ids"),
        ([True, False, True, True, True], "bool"),
        ([1, 2, 3], "3 tokens, but a context of 3 needs at least 4"),
        (np.array([], dtype=np.int64), "0 tokens"),
    ],
)
def test_bad_tokens_are_refused(tokens, message):
    model, oracle = models(11)
    with pytest.raises(ConfigError, match=message):
        TrainingEngine(model, TrainingConfig(), tokens, initial(oracle))


def test_bad_params_are_refused():
    model, oracle = models(11)
    params = initial(oracle)
    for bad in (params.astype(np.float64), params[:-1], params[None]):
        with pytest.raises(ConfigError, match=rf"give float32 of shape \({params.size},\)"):
            TrainingEngine(model, TrainingConfig(), random_tokens(11, 50), bad)


def test_a_boundary_token_makes_every_position_predictable():
    tokens = token_array([1], 3)
    model = ModelConfig(vocab=3, context=4, boundary=0)
    assert count_examples(tokens, model) == 1
    with pytest.raises(ConfigError, match="needs at least 5"):
        count_examples(tokens, ModelConfig(vocab=3, context=4))
