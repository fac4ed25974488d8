"""A run to be killed: ``python -m tests.robustness.killed_run`` reads orders, a JSON object a line.

For each it forks, and the child starts the run in a folder, or goes on with it, until it is done or
dead; then it prints how the child ended. Forking saves the second that Python takes to start.

{"folder": ..., "steps": of the whole run, "threads": 1 or 2, "stop": ...}, where "stop" is

- null: run to the end;
- {"step": s, "signal": n}: at the end of the first chunk that ends at step s or later;
- {"moment": name, "count": k}: SIGKILL the k-th time that the write of a checkpoint comes by there;
- {"seconds": x}: SIGKILL from outside.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

import fastlm.engine.training
from fastlm.callbacks import Callback
from fastlm.config import Config, ModelConfig, TrainingConfig
from fastlm.system.atomic_file import NewFile
from fastlm.tokenizers import build_tokenizer
from fastlm.training.checkpoint import Origin
from fastlm.training.checkpoint_files import CheckpointFiles
from fastlm.training.metrics import MetricsFile
from fastlm.training.trainer import Trainer

TOKENIZER = build_tokenizer("char", ["abcdefghijklmnop"])
MODEL = ModelConfig(
    vocab=TOKENIZER.vocab_size, boundary=TOKENIZER.boundary_id, context=2, embed=4, hidden=(6,)
)
TOKENS = np.random.default_rng(0).integers(0, MODEL.vocab, 300)
VALID = np.random.default_rng(1).integers(0, MODEL.vocab, 50)
# Between the steps of a write: before or after (True) which function.
MOMENTS = {
    "created": (NewFile, "__init__", True),
    "part written": (NewFile, "write", True),
    "written": (NewFile, "finish", False),
    "synced": (os, "replace", False),
    "renamed": (os, "replace", True),
    "done": (NewFile, "finish", True),
}
CHECKPOINT = "m.checkpoint.safetensors"
METRICS = "m.metrics.jsonl"


def config(steps: int, threads: int) -> Config:
    training = TrainingConfig(
        batch=16, lr=0.5, dropout=0.2, embed_dropout=0.1, steps=steps, valid_every=0.7, seed=3,
        threads=threads,
    )  # fmt: skip
    return Config(model=MODEL, training=training)


def trainer(folder: Path, steps: int, threads: int, callback: Callback) -> Trainer:
    """The run of a folder: from its checkpoint, where there is one."""
    path = folder / CHECKPOINT
    if path.exists():
        return Trainer.resume(
            path, TOKENS, VALID, callbacks=[callback], checkpoint_every="3 steps", keep=1,
            metrics=folder / METRICS, threads=threads,
        )  # fmt: skip
    return Trainer(
        config(steps, threads), TOKENS, VALID, callbacks=[callback],
        origin=Origin(tokenizer=TOKENIZER), checkpoints=CheckpointFiles(path, "3 steps", keep=1),
        metrics=MetricsFile(folder / METRICS),
    )  # fmt: skip


def fingerprint(arrays: dict[str, np.ndarray], history: list) -> str:
    """Of all that must be the same bits; times are left out."""
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(arrays):
        digest.update(arrays[name].tobytes())
    facts = [(v.step, v.epoch, v.loss, v.perplexity, v.train_loss, v.best) for v in history]
    digest.update(repr(facts).encode())
    return digest.hexdigest()


def calling(function, wrapped, *, after: bool):
    """The wrapped function, with a call of the other one before or after it."""

    def call(*arguments):
        if not after:
            function()
        result = wrapped(*arguments)
        if after:
            function()
        return result

    return call


class Stop(Callback):
    def __init__(self, step: int, number: int) -> None:
        self.step, self.number = step, number

    def on_progress(self, progress) -> None:
        if progress.step >= self.step:
            os.kill(os.getpid(), self.number)


def train(order: dict) -> int:
    stop = order["stop"] or {}
    callback = Stop(stop["step"], stop["signal"]) if "step" in stop else Callback()
    if "moment" in stop:
        left = [stop["count"]]

        def come_by() -> None:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        owner, name, after = MOMENTS[stop["moment"]]
        setattr(owner, name, calling(come_by, getattr(owner, name), after=after))
    if order["threads"] > 1:
        fastlm.engine.training.worth_sharing = lambda *_: True
    result = trainer(Path(order["folder"]), order["steps"], order["threads"], callback).fit()
    return {"finished": 0, "interrupted": 130, "terminated": 143}[result.reason]


def main() -> None:
    Trainer(config(1, 1), TOKENS, VALID).fit()  # compiles
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            code = 99
            try:
                code = train(order)
            except BaseException as error:
                print(repr(error), file=sys.stderr, flush=True)
            os._exit(code)
        if order["stop"] and "seconds" in order["stop"]:
            time.sleep(order["stop"]["seconds"])
            os.kill(child, signal.SIGKILL)  # a zombie takes it, too
        _, status = os.waitpid(child, 0)
        print(json.dumps(os.waitstatus_to_exitcode(status)), flush=True)


if __name__ == "__main__":
    main()
