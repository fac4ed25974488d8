"""Write the golden bytes of format 1, checkpoint-1.safetensors.

``python -m tests.golden.make_checkpoint``, and never again for format 1: files like it are on
people's disks, and have to be read for ever. checkpoint-1.json says what it held when it was
written.
"""

from __future__ import annotations

import json
from pathlib import Path

from fastlm.callbacks import Callback
from fastlm.config import Config, ModelConfig, TrainingConfig
from fastlm.tokenizers import build_tokenizer
from fastlm.training.checkpoint import Origin
from fastlm.training.checkpoint_files import CheckpointFiles
from fastlm.training.trainer import Trainer

FOLDER = Path(__file__).parent

TEXT = "the quick brown fox jumps over the lazy dog.\n"
TOKENIZER = build_tokenizer("char", [TEXT])
TOKENS = TOKENIZER.encode_documents([TEXT * 3])
VALID = TOKENIZER.encode_documents([TEXT])
STEP = 7


def config() -> Config:
    return Config(
        model=ModelConfig(
            vocab=TOKENIZER.vocab_size, boundary=TOKENIZER.boundary_id, context=2, embed=3,
            hidden=(4,),
        ),
        training=TrainingConfig(
            batch=8, lr=0.5, dropout=0.1, steps=20, valid_every=0.3, seed=1, threads=1
        ),
    )  # fmt: skip


class Stop(Callback):
    trainer: Trainer

    def on_progress(self, progress) -> None:
        if progress.step == STEP:
            self.trainer.stop()


def main() -> None:
    path = FOLDER / "checkpoint-1.safetensors"
    stop = Stop()
    stop.trainer = Trainer(
        config(), TOKENS, VALID, callbacks=[stop],
        origin=Origin(tokenizer=TOKENIZER, description="the quick brown fox"),
        checkpoints=CheckpointFiles(path, "7 steps"),
    )  # fmt: skip
    stop.trainer.fit()
    again = Trainer.resume(path, TOKENS, VALID)
    again.checkpoints = None
    again.fit()
    held = {
        "step": STEP,
        "history": [validation.loss for validation in stop.trainer.history],
        "params": stop.trainer.params.tolist(),
        "after_20_steps": again.engine.snapshot()[0].tolist(),
    }
    (FOLDER / "checkpoint-1.json").write_text(json.dumps(held) + "\n")


if __name__ == "__main__":
    main()
