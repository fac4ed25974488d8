"""Runs of the compiled engine beside the float64 oracle (``tests.naive``), for tests to compare."""

from __future__ import annotations

import numpy as np
import pytest
from numba import config as numba_config

from fastlm.config import ModelConfig, TrainingConfig
from fastlm.engine.training import TrainingEngine
from fastlm_kernels.layers.embedding import SETTLE_EVERY
from tests import naive

NO_JIT = bool(numba_config.DISABLE_JIT)
SEED = 5

# Shapes with far context and an adaptive softmax, alone and together.
FAR = [{"far": (2, 5)}, {"far": (4,), "combine": "mean"}]
ADAPTIVE = [{"cutoffs": (4,)}, {"cutoffs": (3, 5, 8), "tail_divisor": 1.5}]
EXTRAS = [
    *FAR, *ADAPTIVE, {"cutoffs": (2, 10), "far": (3,), "tail_divisor": 4.0, "bias": False},
]  # fmt: skip
BATCHES = [(b, e) for b in (1, 7, 40) for e in (None, 3)]  # batch and boundary; 40: three row tiles


def models(vocab, *, context=3, embed=4, boundary=None, dropout=0.0, embed_dropout=0.0, **shape):
    """(the engine's configuration, the oracle's); linear if ``hidden`` is not given"""
    shape.setdefault("hidden", ())
    ours = ModelConfig(vocab=vocab, context=context, embed=embed, boundary=boundary, **shape)
    theirs = naive.NaiveConfig(
        vocab, context, embed, dropout=dropout, embed_dropout=embed_dropout, **shape
    )
    return ours, theirs


def initial(oracle, seed=1):
    return naive.flatten(naive.random_parameters(oracle, seed)).astype(np.float32)


def random_tokens(vocab, count, seed=2):
    return np.random.default_rng(seed).integers(0, vocab, count)


def wide(flat, oracle):
    return naive.split(flat.astype(np.float64), oracle)


def assert_close(flat, expected, oracle, tolerance):
    """Every tensor within ``tolerance`` of its largest element."""
    for name, tensor in naive.split(flat, oracle).items():
        scale = np.abs(expected[name]).max()
        error = np.abs(tensor - expected[name]).max()
        # 1e-9: a cluster of one id has no gradient
        assert error <= tolerance * scale + 1e-9, f"{name}: {error:.2g} of {scale:.2g}"


def check_gradient(settings, dropouts, batch_and_boundary):
    dropout, embed_dropout = dropouts
    batch, boundary = batch_and_boundary
    model, oracle = models(
        11, boundary=boundary, dropout=dropout, embed_dropout=embed_dropout, **settings
    )
    training = TrainingConfig(batch=batch, seed=SEED, dropout=dropout, embed_dropout=embed_dropout)
    tokens = random_tokens(11, 60)
    params = initial(oracle)
    engine = TrainingEngine(model, training, tokens, params.copy())
    engine.step = step = 9

    loss, grad = engine.gradient()

    edge = -1 if boundary is None else boundary
    positions = naive.batch_positions(SEED, step, batch, 60, oracle.span, edge, True)
    contexts, targets = naive.contexts_and_targets(tokens, positions, oracle.span, edge)
    contexts, targets = naive.by_cluster(contexts, targets, oracle)
    losses, expected = naive.loss_and_gradients(
        wide(params, oracle), oracle, contexts, targets, SEED, step
    )
    assert loss == pytest.approx(losses.mean(), rel=1e-5)
    assert_close(grad, expected, oracle, 1e-5)


def train_both(model, oracle, training, tokens, rates, chunks=1):
    """Losses, params and momentum of the engine and of the oracle after len(rates) steps."""
    params = initial(oracle)
    engine = TrainingEngine(model, training, tokens, params.copy())
    losses = np.concatenate([engine.run(part) for part in np.array_split(rates, chunks)])
    settled, momentum = engine.snapshot()
    expected = wide(params, oracle)
    expected_momentum = {name: np.zeros_like(tensor) for name, tensor in expected.items()}
    expected_losses = naive.train(
        expected, oracle, tokens, len(rates), training.batch, rates, training.momentum,
        training.seed, -1 if model.boundary is None else model.boundary, training.shuffle,
        momentum=expected_momentum, embedding_lr_scale=training.embed_lr_scale,
        weight_decay=training.weight_decay, decay_every=SETTLE_EVERY,
    )  # fmt: skip
    if training.momentum == 0:  # nothing is carried over from one step to the next
        expected_momentum = {name: np.zeros_like(tensor) for name, tensor in expected.items()}
    return (losses, settled, momentum), (expected_losses, expected, expected_momentum)


def assert_same_run(oracle, ours, theirs, tolerance=1e-5):
    np.testing.assert_allclose(ours[0], theirs[0], rtol=tolerance, atol=1e-6)
    assert_close(ours[1], theirs[1], oracle, tolerance)
    assert_close(ours[2], theirs[2], oracle, tolerance)


def state_bytes(engine):
    """The bytes of an engine's state, and of its snapshot."""
    state = engine.state
    params, momentum = engine.snapshot()
    arrays = (state.params, state.momentum, state.row_steps, state.rates, params, momentum)
    return [array.tobytes() for array in arrays]
