"""Divergence: training that goes wrong is noticed and rolled back to the last snapshot."""

from __future__ import annotations

import math

import numpy as np
import pytest

import fastlm
from fastlm.callbacks import Callback
from fastlm.config import Config, ModelConfig, TrainingConfig
from fastlm.errors import ModelFileError, TrainingError, TrainingWarning
from fastlm.training.checkpoint import Origin, read_checkpoint, write_checkpoint
from fastlm.training.checkpoint_files import CheckpointFiles
from fastlm.training.divergence import BadNumbers, RecentLoss, check_finite, snapshot_steps
from fastlm.training.metrics import MetricsFile, read_rows
from fastlm.training.run_state import RunState
from fastlm.training.trainer import Trainer

MODEL = ModelConfig(vocab=12, context=2, embed=4, hidden=(6,))
TOKENS = np.random.default_rng(0).integers(0, 12, 90)
VALID = np.random.default_rng(1).integers(0, 12, 40)


class Listener(Callback):
    def __init__(self):
        self.notices = []

    def on_notice(self, notice):
        self.notices.append(notice)


def new_trainer(listener=None, path=None, metrics=None, valid=None, **settings):
    training = TrainingConfig(**{"batch": 8, "lr": 0.5, "steps": 40, "seed": 1} | settings)
    return Trainer(
        Config(model=MODEL, training=training),
        TOKENS,
        valid,
        callbacks=[listener or Listener()],
        origin=Origin(),
        checkpoints=None if path is None else CheckpointFiles(path, "1 step"),
        metrics=None if metrics is None else MetricsFile(metrics),
    )


@pytest.fixture
def short_blocks(monkeypatch):
    """A copy of the good state every 10 steps; 16 examples are enough to judge by."""
    monkeypatch.setattr("fastlm.training.divergence._SNAPSHOT_EXAMPLES", 80)
    monkeypatch.setattr("fastlm.training.divergence._RECENT_EXAMPLES", 16)
    monkeypatch.setattr("fastlm.training.divergence._LEAST_EXAMPLES", 16)


def poison(trainer, steps, how):
    """Do ``how(trainer, losses)`` after the steps in ``steps``, once each."""
    run = trainer.engine.run
    left = set(steps)

    def poisoned(rates):
        losses = run(rates)
        done = trainer.engine.step
        for step in sorted(left):
            if done - losses.size < step <= done:
                left.discard(step)
                how(trainer, losses[step - done - 1 : losses.size + step - done])
        return losses

    trainer.engine.run = poisoned


def nan_weight(trainer, losses):
    trainer.engine.state.params[3] = math.nan


def nan_momentum_and_infinite_loss(trainer, losses):
    trainer.engine.state.momentum[:] = math.nan
    losses[-1] = math.inf


def exploded_weights(trainer, losses):
    trainer.engine.state.params[:] *= 300


@pytest.mark.parametrize("how", [nan_weight, nan_momentum_and_infinite_loss, exploded_weights])
@pytest.mark.parametrize("valid", [None, VALID], ids=["unwatched", "validated"])
def test_a_run_goes_back_and_on(tmp_path, short_blocks, how, valid):
    listener = Listener()
    path, metrics = tmp_path / "c.safetensors", tmp_path / "m.jsonl"
    trainer = new_trainer(listener, path, metrics, valid, valid_every=0.5)
    poison(trainer, [24], how)
    result = trainer.fit()
    assert (result.reason, result.step) == ("finished", 40)
    (notice,) = listener.notices
    assert notice.kind == "rollback"
    assert "back to step 20 with half the learning rate, 0.25" in notice.message
    assert np.isfinite(trainer.params).all()
    assert trainer.run.rate_factor == 0.5
    (rollback,) = trainer.run.rollbacks
    assert (rollback["back_to"], rollback["rate_factor"]) == (20, 0.5)
    assert [row["event"] for row in read_rows(metrics)].count("rollback") == 1
    steps = [validation.step for validation in trainer.history]
    assert steps == sorted(set(steps))
    saved = read_checkpoint(path)
    assert saved.run.rate_factor == 0.5
    assert fastlm.training.trainer.Trainer.resume(path, TOKENS, valid).run.rollbacks == [rollback]


def test_what_comes_after_is_what_would_come_at_half_the_rate(short_blocks):
    """Up to step 20 at the whole rate, then at half of it, whatever happened between."""
    trainer = new_trainer(schedule="constant")
    poison(trainer, [24], nan_weight)
    trainer.fit()
    expected = new_trainer(schedule="constant")
    expected.engine.run(np.full(20, 0.5))
    expected.engine.run(np.full(20, 0.25))
    assert trainer.params.tobytes() == expected.engine.snapshot()[0].tobytes()


@pytest.mark.parametrize("valid", [None, VALID], ids=["unwatched", "validated"])
@pytest.mark.parametrize("step", [1, 19, 20, 21, 23])
def test_a_run_cut_shortly_before_goes_back_as_far(tmp_path, short_blocks, step, valid):
    """The state to go back to is in the checkpoint."""
    settings = {"valid_every": 0.6, "schedule": "constant"}  # every 6.6 steps
    whole = new_trainer(Listener(), valid=valid, **settings)
    poison(whole, [24], nan_weight)
    whole.fit()
    path = tmp_path / "c.safetensors"
    part = new_trainer(path=path, valid=valid, **settings)
    part.callbacks.append(Stopper(part, step))
    part.fit()
    again = Trainer.resume(path, TOKENS, valid, callbacks=[Listener()])
    assert again.engine.step == step
    poison(again, [24], nan_weight)
    again.fit()
    assert [r["back_to"] for r in again.run.rollbacks] == [20]
    assert again.params.tobytes() == whole.params.tobytes()
    for name, array in whole.engine.state._asdict().items():
        assert getattr(again.engine.state, name).tobytes() == array.tobytes()
    assert [v.loss for v in again.history] == [v.loss for v in whole.history]


def test_what_the_state_to_go_back_to_costs(tmp_path, short_blocks):
    """Nothing at a snapshot and at the end of a run; else weights and momentum once more."""
    size = {}
    for step in (10, 11, 40):
        path = tmp_path / f"{step}.safetensors"
        trainer = new_trainer(path=path)
        trainer.callbacks.append(Stopper(trainer, step))
        trainer.fit()
        saved = read_checkpoint(path)
        assert (saved.good is None) == (step != 11)
        size[step] = sum(a.nbytes for a in (saved.params, *saved.arrays.values()))
        if saved.good is not None:
            assert saved.good.best is None
            assert saved.good.run.step == 10
    assert size[10] == size[11] == size[40]


def test_a_state_to_go_back_to_is_checked(tmp_path, short_blocks):
    path = tmp_path / "c.safetensors"
    trainer = new_trainer(path=path)
    trainer.callbacks.append(Stopper(trainer, 11))
    trainer.fit()
    for name, value in (("row_steps", 11), ("momentum", math.nan), ("params", math.inf)):
        saved = read_checkpoint(path)
        saved.good.arrays[name] = saved.good.arrays[name].copy()
        saved.good.arrays[name][0] = value
        bad = tmp_path / "bad.safetensors"
        write_checkpoint(bad, saved)
        with pytest.raises(ModelFileError):
            Trainer.resume(bad, TOKENS)


class Stopper(Callback):
    def __init__(self, trainer, step):
        self.trainer, self.step = trainer, step

    def on_progress(self, progress):
        if progress.step >= self.step:
            self.trainer.stop()


def test_three_times_then_it_stops_with_the_good_state(tmp_path, short_blocks):
    listener = Listener()
    path = tmp_path / "c.safetensors"
    trainer = new_trainer(listener, path)
    poison(trainer, [24], nan_weight)
    run = trainer.engine.run
    trainer.engine.run = lambda rates: (run(rates), _always(trainer, 24))[0]
    with pytest.raises(TrainingError) as caught:
        trainer.fit()
    message = str(caught.value)
    assert "weights are not finite after step 24" in message
    assert "after going back 3 times" in message
    assert "training diverged at learning rate 0.5" in message
    assert "lr=0.015625" in message
    assert len(listener.notices) == 3
    assert trainer.engine.step == 20
    good = new_trainer()
    good.engine.run(0.5 * (1 - np.arange(20) / 40))
    assert trainer.params.tobytes() == good.engine.snapshot()[0].tobytes()
    saved = read_checkpoint(path)
    assert (saved.reason, saved.run.step, saved.run.rate_factor) == ("diverged", 20, 0.125)


def _always(trainer, step):
    if trainer.engine.step >= step:
        trainer.engine.state.params[3] = math.nan


def test_with_another_rate_what_went_wrong_is_forgotten(tmp_path, short_blocks):
    path = tmp_path / "c.safetensors"
    trainer = new_trainer(path=path)
    poison(trainer, [24], nan_weight)
    trainer.fit()
    again = Trainer.resume(path, TOKENS, lr=0.1, steps=50)
    assert (again.run.rate_factor, again.run.rollbacks) == (1.0, [])
    assert Trainer.resume(path, TOKENS, steps=50).run.rate_factor == 0.5


def test_a_validation_that_is_not_finite_is_no_best_one(monkeypatch, short_blocks):
    losses = iter([(40.0, 20), (math.nan, 20)])
    real = fastlm.training.validation.mean_loss
    monkeypatch.setattr(
        fastlm.training.validation, "mean_loss", lambda *a, **k: next(losses, None) or real(*a, **k)
    )
    listener = Listener()
    trainer = new_trainer(listener, valid=VALID, valid_every=0.5)
    assert trainer.fit().reason == "finished"
    assert "the validation loss is nan" in listener.notices[0].message
    assert all(math.isfinite(validation.loss) for validation in trainer.history)


def test_nobody_listens(short_blocks):
    trainer = new_trainer()
    trainer.callbacks.clear()
    poison(trainer, [24], nan_weight)
    with pytest.warns(TrainingWarning, match="back to step 20"):
        trainer.fit()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, with JIT off
@pytest.mark.parametrize("rate", [1e4, 1e6, 1e8, 1e30, 1e300])
def test_real_divergence(rate):
    """At rates that no halving helps: never a model of nonsense, always one line."""
    tokens = np.random.default_rng(0).integers(0, 12, 2000)
    config = Config(model=MODEL, training=TrainingConfig(batch=8, lr=rate, steps=200))
    trainer = Trainer(config, tokens, VALID, callbacks=[Listener()])
    with pytest.raises(TrainingError, match="diverged") as caught:
        trainer.fit()
    assert "\n" not in str(caught.value)
    assert np.isfinite(trainer.params).all()


# ---------------------------------------------------------------------------- what counts as one


def fed(vocab, batch, *means, usual=None):
    """A run whose steps had these mean losses, 65,536 examples each."""
    recent = RecentLoss(vocab, batch)
    run = RunState()
    for mean in means:
        recent.add(run, np.full(snapshot_steps(batch), float(mean)))  # the longest chunk
    return recent, run


@pytest.mark.parametrize("batch", [1, 256, 100_000])
@pytest.mark.parametrize(
    ("means", "bad"),
    [
        ((2.3, 1.5), False),
        ((2.3, 3.0), False),
        ((2.3, 4.7), True),
        ((2.3, 1e6), True),
        ((9.0, 8.0), False),  # begun on another text
        ((9.0, 11.5), True),
    ],
)
def test_two_nats_above_knowing_nothing_and_above_the_usual(batch, means, bad):
    recent, run = fed(12, batch, *means)
    assert recent.exploded(run) is bad
    if bad:
        with pytest.raises(BadNumbers, match="the loss has grown to"):
            recent.check(run)
    else:
        recent.check(run)
        assert run.lowest_recent_loss == pytest.approx(min(means), rel=1e-2)


def test_a_few_bad_steps_are_none():
    recent, run = fed(12, 256, 2.3)
    recent.add(run, np.full(3, 60.0))
    recent.add(run, np.full(100, 2.3))
    assert not recent.exploded(run)


def test_too_few_examples_say_nothing():
    recent = RecentLoss(12, 8)
    run = RunState()
    recent.add(run, np.full(5, 50.0))
    recent.check(run)
    assert not recent.exploded(run)


def test_how_losses_are_cut_into_chunks_changes_next_to_nothing():
    losses = np.random.default_rng(0).normal(3, 1, 5000)
    recent = RecentLoss(12, 8)
    whole, parts = RunState(), RunState()
    recent.add(whole, losses)
    for part in np.split(losses, [1, 2, 700, 4999]):
        recent.add(parts, part)
    assert parts.recent_loss == pytest.approx(whole.recent_loss, rel=1e-12)


@pytest.mark.parametrize(
    ("losses", "weight", "message"),
    [
        ([1.0, math.nan, math.inf], 0.0, "the loss is nan at step 8"),
        ([math.inf], 0.0, "the loss is inf at step 9"),
        ([1.0], -math.inf, "weights are not finite after step 10"),
    ],
)
def test_what_is_not_finite(losses, weight, message):
    params = np.array([0.0, weight], dtype=np.float32)
    with pytest.raises(BadNumbers, match=message):
        check_finite(np.array(losses), params, 10)
    check_finite(np.array([1.0]), np.zeros(3, dtype=np.float32), 10)
