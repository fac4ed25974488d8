"""Checkpoints: a run that was cut goes on to the same bits, and a bad checkpoint is refused."""

from __future__ import annotations

import numpy as np
import pytest
from numba import config as numba_config

import fastlm
from fastlm.config import Config, TrainingConfig
from fastlm.errors import ConfigError, ModelFileError
from fastlm.model.model_file import read_model_file
from fastlm.training.checkpoint import read_checkpoint, settled_state, write_checkpoint
from fastlm.training.checkpoint_files import CheckpointFiles
from fastlm.training.trainer import Trainer
from tests.training.runs import (
    MODEL,
    STEPS,
    TOKENS,
    VALID,
    Listener,
    assert_same,
    cut,
    new_trainer,
    resumed,
    settings,
)

NO_JIT = bool(numba_config.DISABLE_JIT)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "m.checkpoint.safetensors"


# ---------------------------------------------------------------------------- exact


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"shuffle": False, "embed_dropout": 0.2},
        {"batch": 1, "lr": 0.05, "valid_every": 0.07},
        {"batch": 1, "lr": 0.05, "valid_every": 0.07, "momentum": 0.0},
        {"schedule": "cosine", "warmup": 7, "embed_lr_scale": 2.0},
        {"momentum": 0.0, "schedule": "constant"},
        {"steps": None, "epochs": 2.2, "valid_every": 0.3},
    ],
    ids=repr,
)
@pytest.mark.parametrize("step", [1, 10, 13])
def test_a_run_cut_once_has_the_same_bits(path, changes, step):
    """Step 13 is within the second epoch (11 batches of 8 in 90 tokens)."""
    whole = new_trainer(**changes)
    whole.fit()
    assert len(whole.history) >= 2
    cut(path, step, **changes)
    again = resumed(path)
    assert again.engine.step == step
    result = again.fit()
    assert (result.reason, result.step) == ("finished", whole.engine.step)
    assert_same(again, whole)


@pytest.mark.thorough
@pytest.mark.skipif(NO_JIT, reason="takes long without compiled kernels")
def test_weight_decay_goes_on_in_the_middle_of_its_256_steps(path):
    changes = {"steps": 300, "weight_decay": 0.01}
    whole = new_trainer(**changes)
    whole.fit()
    cut(path, 200, **changes)
    again = resumed(path)
    assert again.engine.step == 200
    result = again.fit()
    assert (result.reason, result.step) == ("finished", whole.engine.step)
    assert_same(again, whole)


def test_a_run_cut_at_every_step_has_the_same_bits(path):
    whole = new_trainer(steps=12)
    whole.fit()
    cut(path, 1, steps=12)
    for step in range(2, 12):
        listener = Listener(stop_at=step)
        trainer = resumed(path, listener)
        assert trainer.fit().step == step
    last = resumed(path)
    last.fit()
    assert_same(last, whole)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_may_change_and_change_nothing(path, threads, monkeypatch):
    monkeypatch.setattr("fastlm.engine.training.worth_sharing", lambda *_: True)
    whole = new_trainer(threads=1, batch=40)
    whole.fit()
    cut(path, 7, threads=2, batch=40)
    again = resumed(path, threads=threads)
    assert again.engine.threads == threads
    again.fit()
    assert_same(again, whole)


@pytest.mark.skipif(NO_JIT, reason="takes long without compiled kernels")
def test_rows_that_wait_for_long_to_be_settled(path):
    """More steps than rates are remembered, a batch that seldom meets a row."""
    changes = {"steps": 900, "batch": 2, "momentum": 0.95}
    whole = new_trainer(**changes)
    whole.fit()
    cut(path, 300, every="300 steps", **changes)
    listener = Listener(stop_at=556)
    resumed(path, listener, every="556 steps").fit()
    again = resumed(path, every="1h")
    again.fit()
    assert_same(again, whole)


def test_a_longer_run_at_a_constant_rate_is_the_run_that_was_long_from_the_start(path):
    """The validations are at the same steps, since ``valid_every`` counts epochs."""
    changes = {"schedule": "constant", "valid_every": 8 / 11.25}
    whole = new_trainer(steps=24, **changes)
    whole.fit()
    assert [validation.step for validation in whole.history] == [8, 16, 24]
    new_trainer(path, steps=8, **changes).fit()
    resumed(path, steps=16).fit()
    last = resumed(path, steps=24)
    last.fit()
    assert_same(last, whole)


def test_early_stopping_counts_on(path):
    changes = {"lr": 1e-9, "valid_every": 0.25, "patience": 4, "steps": 200, "momentum": 0.0}
    whole = new_trainer(**changes)
    # Losses in float32 move a little up and down at this rate; without a best one for long it ends.
    assert whole.fit().reason in ("early stop", "finished")
    cut(path, 5, **changes)
    again = resumed(path)
    again.fit()
    assert_same(again, whole)


def test_a_run_by_the_clock_goes_on_with_the_time_that_is_left(path):
    listener = Listener()
    trainer = new_trainer(path, listener=listener, steps=None, minutes=0.01)
    listener.stop_at = 3
    first = trainer.fit()
    again = resumed(path)
    assert again.run.seconds == pytest.approx(first.elapsed, abs=0.1)
    result = again.fit()
    assert result.reason == "finished"
    # It stops so early that the last validation, which takes as long as the mean one, ends in time.
    validation = (again.run.seconds - again.run.training_seconds) / len(again.history)
    assert result.elapsed + validation >= 0.6
    assert result.elapsed < 3
    assert result.step > first.step
    steps = [validation.step for validation in again.history]
    assert steps == sorted(set(steps))


# ---------------------------------------------------------------------------- what is in it


def test_the_model_in_a_checkpoint_is_the_one_that_training_would_give(path):
    trainer = cut(path, 15)
    lm = fastlm.load(path)
    assert lm.params.tobytes() == trainer.params.tobytes()
    assert lm.params.tobytes() != trainer.engine.snapshot()[0].tobytes()  # the best, not the last
    assert lm.details["step"] == 15
    assert lm.details["valid_loss"] == min(validation.loss for validation in trainer.history)
    assert lm.training == trainer.config.training
    assert lm.generate("abc", length=5, seed=1).startswith("abc")


def test_without_validation_it_has_the_current_weights_settled(path):
    trainer = new_trainer(path, valid=None)
    trainer.fit()
    assert fastlm.load(path).params.tobytes() == trainer.engine.snapshot()[0].tobytes()


def test_the_metadata(path):
    cut(path, 15)
    tensors, metadata = read_model_file(path)
    assert metadata["kind"] == "checkpoint"
    assert metadata["reason"] == "interrupted"
    assert metadata["run"]["step"] == 15
    assert metadata["training"]["seed"] == 5
    assert metadata["corpus"]["train"]["tokens"] == 90
    assert len(metadata["corpus"]["valid"]["fingerprint"]) == 32
    assert metadata["versions"].keys() == {"python", "numpy", "numba"}
    assert {name.split(".")[0] for name in tensors} == {
        "embeddings", "hidden", "output", "momentum", "state"
    }  # fmt: skip
    assert tensors["momentum.output.weight"].shape == tensors["output.weight"].shape


def test_a_checkpoint_without_a_tokenizer_resumes_but_is_no_model(tmp_path):
    path = tmp_path / "c.safetensors"
    config = Config(model=MODEL, training=TrainingConfig(**settings()))
    files = CheckpointFiles(path)
    Trainer(config, TOKENS, checkpoints=files).fit()
    assert Trainer.resume(path, TOKENS, steps=30).fit().step == 30
    with pytest.raises(ModelFileError, match="does not hold a sound model"):
        fastlm.load(path)


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32, np.int64])
def test_the_fingerprint_does_not_depend_on_the_width_of_ids(path, dtype):
    cut(path, 3)
    Trainer.resume(path, TOKENS.astype(dtype), VALID.astype(dtype))


# ---------------------------------------------------------------------------- what may change


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"batch": 16}, ("batch 8", "16")),
        ({"dropout": 0.1}, ("dropout 0.3", "0.1")),
        ({"seed": 6}, ("seed 5", "6")),
        ({"momentum": 0.5}, ("momentum 0.9", "0.5")),
        ({"schedule": "cosine"}, ("schedule linear", "cosine")),
        ({"shuffle": False}, ("shuffle True", "False")),
        ({"depth": 6}, ("unknown setting 'depth'",)),
    ],
)
def test_what_decides_the_steps_may_not_change(path, changes, parts):
    cut(path, 3)
    with pytest.raises(ConfigError) as caught:
        resumed(path, **changes)
    for part in parts:
        assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_may_change(path):
    cut(path, 3)
    trainer = resumed(path, epochs=4, threads=1, patience=9, lr=0.25, batch=8)
    training = trainer.config.training
    assert (training.epochs, training.steps, training.minutes) == (4, None, None)
    assert (training.threads, training.patience, training.lr) == (1, 9, 0.25)
    assert trainer.fit().step == 45


@pytest.mark.parametrize(
    ("train", "valid", "parts"),
    [
        (TOKENS[:-1], VALID, ("another training text", "90 tokens", "89 tokens")),
        (TOKENS[::-1], VALID, ("another training text", "90 tokens with fingerprint")),
        (TOKENS, VALID[:-1], ("another validation text", "40 tokens", "39 tokens")),
        (TOKENS, None, ("another validation text", "40 tokens", "this is none")),
    ],
)
def test_another_corpus_is_refused_with_both_values(path, train, valid, parts):
    cut(path, 3)
    with pytest.raises(ConfigError) as caught:
        Trainer.resume(path, train, valid)
    for part in parts:
        assert part in str(caught.value)


def test_tokens_are_needed_where_the_checkpoint_does_not_say_where_they_are(path):
    cut(path, 3)
    with pytest.raises(ConfigError, match="pass train_tokens"):
        Trainer.resume(path)


def test_a_run_that_is_over_says_so(path):
    new_trainer(path).fit()
    before = path.read_bytes()
    listener = Listener()
    result = resumed(path, listener).fit()
    assert (result.reason, result.step) == ("finished", STEPS)
    (notice,) = listener.notices
    assert "nothing is left to train: finished after 24 steps" in notice.message
    assert path.read_bytes() == before
    assert resumed(path, Listener(), steps=30).fit().step == 30


def test_fit_goes_on_in_the_same_process(path):
    whole = new_trainer()
    whole.fit()
    trainer = cut(path, 9)
    trainer.callbacks.clear()
    trainer.fit()
    assert_same(trainer, whole)


def test_a_checkpoint_that_is_read_and_written_again_is_the_same(path, tmp_path):
    cut(path, 15)
    saved = read_checkpoint(path)
    again = tmp_path / "again.safetensors"
    write_checkpoint(again, saved)
    first, second = read_model_file(path), read_model_file(again)
    assert first[0].keys() == second[0].keys()
    assert all(first[0][name].tobytes() == second[0][name].tobytes() for name in first[0])
    assert saved.metadata | dict.fromkeys(("written", "checksum")) == second[1] | dict.fromkeys(
        ("written", "checksum")
    )


@pytest.mark.parametrize("batch", [1, 8])
def test_the_settled_state_is_that_of_the_last_step(path, batch):
    trainer = cut(path, 15, batch=batch, lr=0.05)
    found = settled_state(read_checkpoint(path))
    for expected, array in zip(trainer.engine.snapshot(), found, strict=True):
        assert array.tobytes() == expected.tobytes()


# ---------------------------------------------------------------------------- row steps


@pytest.mark.skipif(NO_JIT, reason="takes long without compiled kernels")
@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.parametrize(
    ("step", "oldest", "sound"),
    [
        (255, 0, True),
        (256, 0, False),
        (256, 255, False),
        (256, 256, True),
        (300, 255, False),
        (300, 256, True),
        (511, 255, False),
        (511, 256, True),
        (511, 512, False),
        (511, -1, False),
    ],
)
def test_rows_that_claim_to_lag_too_far_are_refused(path, batch, step, oldest, sound):
    """Kernels would read beyond the decays that they tabulate."""
    cut(path, step, every=f"{step} steps", batch=batch, lr=0.05, steps=600, valid_every=50.0)
    saved = read_checkpoint(path)
    saved.arrays["row_steps"] = saved.arrays["row_steps"].copy()
    saved.arrays["row_steps"][2] = oldest
    write_checkpoint(path, saved)
    if sound:
        assert resumed(path).engine.step == step
        settled_state(read_checkpoint(path))
        return
    with pytest.raises(ModelFileError, match=f"cannot be that after step {step}"):
        resumed(path)
    with pytest.raises(ModelFileError, match=f"cannot be that after step {step}"):
        settled_state(read_checkpoint(path))


@pytest.mark.skipif(NO_JIT, reason="takes long without compiled kernels")
@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_row_that_never_occurs_stops_no_run(path, batch, momentum):
    tokens = np.where(TOKENS == 3, 4, TOKENS)

    def trainer(files=None):
        training = TrainingConfig(batch=batch, momentum=momentum, lr=0.05, steps=700, seed=1)
        config = Config(model=MODEL, training=training)
        return Trainer(config, tokens, checkpoints=files)

    whole = trainer()
    whole.fit()
    part = trainer(CheckpointFiles(path, "600 steps"))
    part.callbacks.append(Listener(stop_at=600))
    part.callbacks[0].trainer = part
    part.fit()
    again = Trainer.resume(path, tokens)
    assert again.engine.step == 600
    again.fit()
    assert_same(again, whole)
