"""Short runs with checkpoints, for tests: to be cut, resumed and compared bit for bit."""

from __future__ import annotations

import numpy as np

from fastlm.callbacks import Callback
from fastlm.config import Config, ModelConfig, TrainingConfig
from fastlm.tokenizers import build_tokenizer
from fastlm.training.checkpoint import Origin
from fastlm.training.checkpoint_files import CheckpointFiles
from fastlm.training.trainer import Trainer

TOKENIZER = build_tokenizer("char", ["abcdefghij"])
MODEL = ModelConfig(
    vocab=TOKENIZER.vocab_size, boundary=TOKENIZER.boundary_id, context=2, embed=4, hidden=(6, 5)
)
TOKENS = np.random.default_rng(0).integers(0, MODEL.vocab, 90)
VALID = np.random.default_rng(1).integers(0, MODEL.vocab, 40)
STEPS = 24


class Listener(Callback):
    def __init__(self, stop_at=None):
        self.notices = []
        self.stop_at = stop_at
        self.trainer = None

    def on_progress(self, progress):
        if self.stop_at is not None and progress.step >= self.stop_at:
            self.trainer.stop()

    def on_notice(self, notice):
        # These texts are random: there is nothing to learn from them.
        if notice.kind != "no gain":
            self.notices.append(notice)


def settings(**changes):
    return {
        "batch": 8,
        "lr": 0.5,
        "dropout": 0.3,
        "steps": STEPS,
        "seed": 5,
        "valid_every": 0.4,
    } | changes


def new_trainer(path=None, every="1 step", keep=0, listener=None, valid=VALID, **changes):
    files = None if path is None else CheckpointFiles(path, every, keep)
    trainer = Trainer(
        Config(model=MODEL, training=TrainingConfig(**settings(**changes))),
        TOKENS,
        valid,
        callbacks=[] if listener is None else [listener],
        origin=Origin(tokenizer=TOKENIZER, description="ten letters"),
        checkpoints=files,
    )
    if listener is not None:
        listener.trainer = trainer
    return trainer


def resumed(path, listener=None, every="1 step", **changes):
    trainer = Trainer.resume(
        path, TOKENS, VALID, callbacks=[] if listener is None else [listener],
        checkpoint_every=every, **changes,
    )  # fmt: skip
    if listener is not None:
        listener.trainer = trainer
    return trainer


def cut(path, step, **changes):
    """A run that was stopped after ``step`` steps; its checkpoint is at ``path``."""
    trainer = new_trainer(path, listener=Listener(stop_at=step), **changes)
    result = trainer.fit()
    assert (result.reason, result.step) == ("interrupted", step)
    assert result.checkpoint == str(path)
    return trainer


def state_of(trainer):
    """All that must be the same, as bytes; times are left out."""
    history = [
        (v.step, v.epoch, v.loss, v.perplexity, v.train_loss, v.best) for v in trainer.history
    ]
    arrays = {name: array.tobytes() for name, array in trainer.engine.state._asdict().items()}
    return arrays | {
        "history": repr(history),
        "params": trainer.params.tobytes(),
        "step": trainer.engine.step,
    }


def assert_same(trainer, whole):
    expected, found = state_of(whole), state_of(trainer)
    for name in expected:
        assert found[name] == expected[name], name
