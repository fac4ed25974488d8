"""The training engine: the same bytes however it is used, weight decay, and its memory."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.config import ModelConfig, TrainingConfig
from fastlm.engine.losses import position_losses
from fastlm.engine.training import TrainingEngine
from fastlm.model.layout import Layout
from tests.oracle_runs import (
    NO_JIT,
    SEED,
    assert_same_run,
    initial,
    models,
    random_tokens,
    state_bytes,
    train_both,
)


@pytest.mark.skipif(NO_JIT, reason="hundreds of steps, and what is tested is no kernel")
@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("far", [(), (3,)])
def test_weight_decay(far, batch):
    """Every 256 steps, by the rates of these, wherever the calls are cut."""
    model, oracle = models(40, context=2, embed=3, hidden=(5,), far=far)
    training = TrainingConfig(
        batch=batch, momentum=0.9, seed=SEED, embed_lr_scale=2.0, weight_decay=0.003
    )
    rates = np.linspace(0.8, 0.1, 520)
    tokens = random_tokens(40, 900)
    ours, theirs = train_both(model, oracle, training, tokens, rates, chunks=3)
    assert_same_run(oracle, ours, theirs)
    plain = TrainingConfig(**training.to_dict() | {"weight_decay": 0.0})
    without, _ = train_both(model, oracle, plain, tokens, rates[:255])
    with_it, _ = train_both(model, oracle, training, tokens, rates[:255])
    assert with_it[1].tobytes() == without[1].tobytes()


def test_the_counts_that_tokens_bring_along_stay_as_they_are():
    class Counted(np.ndarray):
        pass

    model, oracle = models(11, hidden=(6,), boundary=10)
    tokens = random_tokens(9, 60).view(Counted)
    tokens.counts = np.bincount(tokens, minlength=11)
    before = tokens.counts.copy()
    engine = TrainingEngine(model, TrainingConfig(batch=40), tokens, initial(oracle))
    assert engine.scratch.token_table.ids.tolist() == [*np.flatnonzero(before), 10]
    np.testing.assert_array_equal(tokens.counts, before)


def busy_engine(seed=SEED):
    """An engine with everything on: dropout, shuffling, several tiles, rows that rest."""
    model, oracle = models(60, hidden=(6, 5), boundary=2, dropout=0.3, embed_dropout=0.2)
    training = TrainingConfig(batch=40, seed=seed, dropout=0.3, embed_dropout=0.2)
    return TrainingEngine(model, training, random_tokens(60, 500), initial(oracle))


RATES = np.linspace(0.9, 0.2, 8 if NO_JIT else 300)


def test_how_steps_are_cut_into_calls_does_not_matter():
    whole, parts = busy_engine(), busy_engine()
    losses = whole.run(RATES)
    cuts = (3, 4) if NO_JIT else (13, 14, 255)
    part_losses = np.concatenate([parts.run(part) for part in np.split(RATES, cuts)])
    assert part_losses.tobytes() == losses.tobytes()
    assert state_bytes(parts) == state_bytes(whole)
    assert parts.step == whole.step == len(RATES)


def test_a_call_of_no_steps_changes_nothing():
    engine = busy_engine()
    engine.run(RATES[:3])
    before = state_bytes(engine)
    assert engine.run(RATES[:0]).size == 0
    assert state_bytes(engine) == before
    assert engine.step == 3


def test_reading_changes_nothing():
    quiet, watched = busy_engine(), busy_engine()
    for part in np.array_split(RATES, 4):
        quiet.run(part)
        watched.run(part)
        before = state_bytes(watched)
        params, _ = watched.snapshot()
        params[:] = np.nan  # a copy: nobody else sees it
        watched.gradient()
        position_losses(watched.snapshot()[0], watched.model, watched.tokens, 0, 30)
        assert state_bytes(watched) == before
    assert state_bytes(watched) == state_bytes(quiet)


def test_another_seed_gives_other_bytes():
    first, same, other = busy_engine(), busy_engine(), busy_engine(seed=SEED + 1)
    for engine in (first, same, other):
        engine.run(RATES)
    assert state_bytes(same) == state_bytes(first)
    assert other.state.params.tobytes() != first.state.params.tobytes()


@pytest.mark.parametrize("batch", [64, 1000])
def test_scratch_follows_its_formula(batch):
    """4 B (4 C + 3 + 3 F + V) bytes, F the sum of the layers' fan-ins, where tokens are many."""
    model = ModelConfig(vocab=1000, context=8, embed=16, hidden=(96, 48))
    engine = TrainingEngine(
        model,
        TrainingConfig(batch=batch),
        random_tokens(1000, 10_000),
        np.zeros(Layout(model).size, dtype=np.float32),
    )
    fan_ins = 8 * 16 + 96 + 48
    formula = 4 * batch * (4 * 8 + 3 + 3 * fan_ins + 1000)
    assert bytes_of(engine.scratch) == pytest.approx(formula, rel=0.1)
    assert bytes_of(engine.state) == pytest.approx(2 * 4 * Layout(model).size, rel=0.1)


def test_scratch_of_a_wide_output_follows_its_formula():
    """With T tiles of S blocks of columns, K their fan-in: 4 B T K + 8 B T (3 + S) more."""
    batch = 256
    model = ModelConfig(vocab=10_000, context=5, embed=32, hidden=(128,))
    engine = TrainingEngine(
        model,
        TrainingConfig(batch=batch),
        random_tokens(10_000, 20_000),
        np.zeros(Layout(model).size, dtype=np.float32),
    )
    columns = engine.plan.columns
    tiles, blocks = len(columns), -(-(columns[0, 2] - columns[0, 1]) // columns[0, 3])
    assert 8 <= tiles <= 16
    formula = 4 * batch * (4 * 5 + 3 + 3 * (5 * 32 + 128) + 10_000)
    formula += 4 * batch * tiles * 128 + 8 * batch * tiles * (3 + blocks)
    assert bytes_of(engine.scratch) == pytest.approx(formula, rel=0.01)


def bytes_of(arrays):
    return sum(bytes_of(a) if isinstance(a, tuple) else a.nbytes for a in arrays)


def test_memory_does_not_grow_with_the_corpus():
    model = ModelConfig(vocab=1000, context=8, embed=16, hidden=(96, 48))
    sizes = set()
    for count in (5_000, 100_000):
        params = np.zeros(Layout(model).size, dtype=np.float32)
        ids = random_tokens(1000, count).astype(np.uint16)
        engine = TrainingEngine(model, TrainingConfig(), ids, params)
        assert np.shares_memory(engine.tokens.ids, ids)
        sizes.add(bytes_of(engine.scratch) + bytes_of(engine.state))
    assert len(sizes) == 1
