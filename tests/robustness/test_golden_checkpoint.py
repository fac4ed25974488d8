"""A checkpoint of format 1 on disk is still read and resumed."""

from __future__ import annotations

import hashlib
import json
import shutil

import numpy as np
import pytest

import fastlm
from fastlm.errors import ModelFileError
from fastlm.model.model_file import _checksum, read_model_file
from fastlm.training.checkpoint import read_checkpoint
from fastlm.training.trainer import Trainer
from tests.golden.make_checkpoint import FOLDER, STEP, TOKENIZER, TOKENS, VALID, config
from tests.robustness.checkpoint_fuzz import joined, split

GOLDEN = FOLDER / "checkpoint-1.safetensors"
HELD = json.loads((FOLDER / "checkpoint-1.json").read_text())


def test_the_file_is_the_one_that_was_written():
    assert hashlib.sha256(GOLDEN.read_bytes()).hexdigest() == (
        "702c6fbc55bffc8974f1dd0f00cea5f3f8e5345193ad744ea8e59e9da87c93c1"
    )


def test_it_is_read():
    saved = read_checkpoint(GOLDEN)
    assert saved.run.step == STEP
    assert saved.model == config().model
    assert saved.training == config().training
    assert saved.tokenizer == TOKENIZER
    assert saved.params.tolist() == HELD["params"]
    assert [validation.loss for validation in saved.run.history] == HELD["history"]
    lm = fastlm.load(GOLDEN)
    assert lm.params.tolist() == HELD["params"]
    assert len(lm.generate("the ", length=5, seed=1)) == 9


def test_it_is_gone_on_from(tmp_path):
    """The same numbers as on the machine that wrote it, but for rounding."""
    path = tmp_path / GOLDEN.name
    shutil.copyfile(GOLDEN, path)
    trainer = Trainer.resume(path, TOKENS, VALID)
    result = trainer.fit()
    assert (result.reason, result.step) == ("finished", 20)
    expected = np.array(HELD["after_20_steps"])
    assert np.abs(trainer.engine.snapshot()[0] - expected).max() < 1e-4 * np.abs(expected).max()


@pytest.mark.parametrize("version", [2, 10**9])
def test_a_newer_format_is_refused_by_its_number(tmp_path, version):
    tensors, _ = read_model_file(GOLDEN)
    header, data = split(GOLDEN.read_bytes())
    metadata = json.loads(header["__metadata__"]["fastlm"])
    metadata |= {"format_version": version, "library_version": "9.9"}
    metadata["checksum"] = _checksum(tensors, metadata)
    header["__metadata__"]["fastlm"] = json.dumps(metadata)
    path = tmp_path / "new.safetensors"
    path.write_bytes(joined(header, data))
    for read in (read_checkpoint, fastlm.load, lambda path: Trainer.resume(path, TOKENS, VALID)):
        with pytest.raises(
            ModelFileError, match=f"format version {version}, written by fastlm 9.9"
        ):
            read(path)
