"""The same bits for any number of threads, and life inside someone else's program."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest
from numba import config as numba_config

from fastlm.config import Config, ModelConfig, TrainingConfig
from fastlm.engine import tiling
from fastlm.engine.losses import position_losses
from fastlm.engine.training import TrainingEngine
from fastlm.model.initialization import scaled_params
from fastlm.training.trainer import Trainer
from fastlm_kernels.runtime.arguments import EMBEDDING, LAYER, TABLE_POSITION

NO_JIT = bool(numba_config.DISABLE_JIT)

if NO_JIT:
    MODEL = ModelConfig(vocab=30, context=2, embed=4, hidden=(8,), boundary=0)
    TRAINING = TrainingConfig(batch=5, dropout=0.2, embed_dropout=0.1, seed=3)
    STEPS, THREADS = 3, (2,)
else:
    MODEL = ModelConfig(vocab=150, context=8, embed=256, hidden=(160, 24), boundary=0)
    TRAINING = TrainingConfig(batch=66, dropout=0.4, embed_dropout=0.1, seed=3)
    STEPS, THREADS = 500, (2, 3, 4)

TOKENS = np.random.default_rng(0).integers(0, MODEL.vocab, 5000).astype(np.uint16)
RATES = np.linspace(1.0, 0.1, STEPS)


# Few different tokens: the first layer uses a token table.
CHARACTERS = dataclasses.replace(MODEL, vocab=20)

# The same with an adaptive softmax and far context.
ADAPTIVE = dataclasses.replace(MODEL, cutoffs=(10, 20), far=(3, 6))


def bytes_after_training(threads, training=TRAINING, model=MODEL):
    engine = TrainingEngine(model, training, TOKENS % model.vocab, scaled_params(model, 1))
    assert engine.plan.table_tiles == (model is CHARACTERS and not NO_JIT)
    engine.threads = threads
    losses = engine.run(RATES)
    assert np.all(np.isfinite(losses))
    params, momentum = engine.snapshot()
    return losses.tobytes(), params.tobytes(), momentum.tobytes()


@pytest.fixture(scope="module")
def one_thread():
    return bytes_after_training(1)


@pytest.mark.skipif(NO_JIT, reason="small sizes")
def test_several_tiles_of_every_kind_are_under_test():
    plan = TrainingEngine(MODEL, TRAINING, TOKENS, scaled_params(MODEL, 1)).plan
    assert plan.row_tiles == 4
    layers = plan.updates[:, LAYER].tolist()
    assert layers.count(0) == 3
    assert layers.count(EMBEDDING) == 4
    assert len(layers) >= 8, "more tiles than threads"


@pytest.mark.skipif(NO_JIT, reason="small sizes")
def test_a_token_table_has_a_tile_for_each_position():
    plan = TrainingEngine(CHARACTERS, TRAINING, TOKENS % 20, scaled_params(CHARACTERS, 1)).plan
    assert plan.updates[:, LAYER].tolist().count(TABLE_POSITION) == CHARACTERS.context


@pytest.mark.parametrize("threads", THREADS)
def test_same_bits_for_any_number_of_threads(one_thread, threads):
    assert bytes_after_training(threads) == one_thread


@pytest.mark.thorough
@pytest.mark.parametrize("model", [ADAPTIVE, CHARACTERS], ids=["adaptive-far", "table"])
def test_same_bits_with_other_forms_of_the_first_and_last_layer(model):
    results = {bytes_after_training(threads, model=model) for threads in (1, *THREADS)}
    assert len(results) == 1


@pytest.mark.thorough
def test_same_bits_where_the_output_is_swept_by_columns(monkeypatch):
    monkeypatch.setattr(tiling, "_MIN_SWEPT_WEIGHTS", 0)
    monkeypatch.setattr(tiling, "_MIN_SWEPT_RATIO", 0)
    monkeypatch.setattr(tiling, "_tile_width", lambda *_: 7)
    engine = TrainingEngine(MODEL, TRAINING, TOKENS, scaled_params(MODEL, 1))
    assert len(engine.plan.columns) >= 4, "more tiles than threads"
    results = {bytes_after_training(threads) for threads in (1, *THREADS)}
    assert len(results) == 1


def test_same_bits_from_run_to_run(one_thread):
    assert bytes_after_training(1) == one_thread


def test_the_comparison_can_fail(one_thread):
    other = bytes_after_training(1, TrainingConfig(**TRAINING.to_dict() | {"seed": 4}))
    assert all(a != b for a, b in zip(other, one_thread, strict=True))


# ---------------------------------------------------------------------------- in one process


def trainer(seed):
    training = TrainingConfig(**TRAINING.to_dict() | {"seed": seed, "steps": 3 if NO_JIT else 60})
    made = Trainer(Config(model=MODEL, training=training), TOKENS, TOKENS[:40])
    made.engine.threads = 2
    return made


def test_two_trainers_at_once_give_the_bytes_of_one_after_the_other():
    alone = [trainer(seed) for seed in (1, 2)]
    for each in alone:
        each.fit()

    together = [trainer(seed) for seed in (1, 2)]
    failures = []

    def fit(one):
        try:
            one.fit()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=fit, args=(one,), daemon=True) for one in together]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    assert failures == []
    for one, other in zip(together, alone, strict=True):
        assert one.params.tobytes() == other.params.tobytes()
        assert one.engine.state.momentum.tobytes() == other.engine.state.momentum.tobytes()


def test_scoring_while_training_changes_neither():
    quiet, watched = (
        TrainingEngine(MODEL, TRAINING, TOKENS, scaled_params(MODEL, 1)) for _ in range(2)
    )
    rates = RATES[:60]
    quiet.run(rates)
    params = scaled_params(MODEL, 1)
    expected = position_losses(params, MODEL, watched.tokens, 0, 300).tobytes()
    watched.threads = 2
    thread = threading.Thread(target=watched.run, args=(rates,), daemon=True)
    thread.start()
    while True:
        alive = thread.is_alive()
        assert position_losses(params, MODEL, watched.tokens, 0, 300, 2).tobytes() == expected
        if not alive:
            break
    assert watched.state.params.tobytes() == quiet.state.params.tobytes()


# ---------------------------------------------------------------------------- after a fork

FORK = """
    import os, signal, time

    import numpy as np

    from fastlm.config import ModelConfig, TrainingConfig
    from fastlm.engine.training import TrainingEngine
    from fastlm.engine.losses import position_losses
    from fastlm.model.initialization import scaled_params

    model = ModelConfig(vocab=50, context=3, embed=8, hidden=(16,))
    tokens = np.random.default_rng(0).integers(0, 50, 1000)
    engine = TrainingEngine(model, TrainingConfig(batch=80), tokens, scaled_params(model, 0))
    engine.threads = 2
    engine.run(np.full(3, 0.5))

    def work():
        params = engine.snapshot()[0]
        scores = position_losses(params, model, engine.tokens, 3, 400, threads=2)
        engine.run(np.full(2, 0.5))
        return scores.tobytes(), engine.state.params.tobytes()

    children = []
    for _ in range(2):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reader)
            with os.fdopen(writer, "wb") as stream:
                stream.write(b"".join(work()))
            os._exit(0)
        os.close(writer)
        children.append((child, reader))
    expected = b"".join(work())
    for child, reader in children:
        with os.fdopen(reader, "rb") as stream:
            assert stream.read() == expected, "the child computed something else"
        assert os.waitpid(child, 0)[1] == 0
    print("forked")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_process_that_trained_can_fork_workers_that_score_and_train():
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FORK)], capture_output=True, text=True, timeout=120
    )
    assert (run.returncode, run.stdout) == (0, "forked\n"), run.stderr
