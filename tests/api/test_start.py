"""The start of a run: what a checkpoint or another model gives, and what may differ from it."""

from __future__ import annotations

import numpy as np
import pytest

import fastlm
from fastlm.api.start import RunStart
from fastlm.config import ModelConfig, TrainingConfig
from fastlm.errors import ConfigError, ModelFileError
from fastlm.tokenizers import ByteTokenizer
from tests.api.models import make_model

ARGUMENTS = {
    "checkpoint": None,
    "checkpoint_every": "60s",
    "keep": 0,
    "resume": False,
    "restart": False,
    "init": None,
    "init_momentum": False,
    "metrics": None,
}


def start(**arguments) -> RunStart:
    return RunStart(**ARGUMENTS | arguments)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """Of a run that has ended."""
    path = tmp_path_factory.mktemp("run") / "c.safetensors"
    settings = {"context": 3, "embed": 4, "hidden": (8,), "batch": 8, "steps": 6}
    text = "the cat sat on the mat. " * 20
    fastlm.train(texts=[text], valid=0, documents="lines", checkpoint=path, **settings)
    return path


def test_from_scratch_everything_is_open():
    found = start()
    assert found.from_scratch
    assert found.tokenizer is found.documents is None
    assert found.source("valid", None, 0.5) == 0.5
    assert found.source("valid", 0.1, 0.5) == 0.1
    found.check_documents("lines")
    found.check_tokenizer(ByteTokenizer())
    assert found.model_config(ByteTokenizer(), {"context": 2}) == ModelConfig(
        vocab=257, boundary=0, context=2
    )
    assert found.training_config({"steps": 3}) == TrainingConfig(steps=3)


def test_a_model_gives_tokenizer_documents_and_shape():
    base = make_model("word", documents="lines", hidden=(5, 4))
    found = start(init=base)
    assert not found.from_scratch
    assert (found.tokenizer, found.documents) == (base.tokenizer, "lines")
    assert found.model_config(base.tokenizer, {"hidden": [5, 4]}) == base.config
    with pytest.raises(ConfigError, match=r"has hidden \(5, 4\), but \(5,\) is given"):
        found.model_config(base.tokenizer, {"hidden": (5,)})
    with pytest.raises(ConfigError, match=r"has the tokenizer word .* the one given is byte"):
        found.check_tokenizer(ByteTokenizer())


def test_a_checkpoint_gives_all_that_is_not_given(checkpoint):
    found = start(checkpoint=checkpoint, resume=True)
    assert not found.from_scratch
    assert found.documents == "lines"
    assert found.training_config({}).steps == 6
    assert found.training_config({"steps": 9}).steps == 9
    with pytest.raises(ConfigError, match="documents"):
        found.check_documents("file")
    with pytest.raises(ConfigError, match="batch"):
        found.training_config({"batch": 9})
    with pytest.raises(ConfigError, match="context"):
        found.model_config(found.tokenizer, {"context": 9})
    with pytest.raises(ConfigError, match="does not say where its corpus text is"):
        found.source("corpus", None)


def test_momentum_comes_from_a_checkpoint_only(checkpoint):
    base = fastlm.load(checkpoint)
    trainer = start(init=checkpoint, init_momentum=True).trainer(
        fastlm.Config(model=base.config, training=TrainingConfig(steps=1)),
        base.tokenizer.encode("the cat sat on the mat"),
        None,
        counts=None,
        given={},
        callbacks=(),
        origin=None,
    )
    assert np.abs(trainer.engine.state.momentum).max() > 0
    with pytest.raises(ConfigError, match="init_momentum needs a checkpoint"):
        start(init=base, init_momentum=True)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"resume": True}, ConfigError, "resume needs .*; give checkpoint"),
        ({"restart": True}, ConfigError, "restart needs .*; give checkpoint"),
        (
            {"checkpoint": "c", "resume": True, "restart": True},
            ConfigError,
            "resume and restart are both given",
        ),
        ({"checkpoint": "c", "resume": True, "init": "m"}, ConfigError, "resume and init are both"),
        ({"init_momentum": True}, ConfigError, "without init"),
        ({"init": "nothing.safetensors"}, ModelFileError, "no file nothing.safetensors"),
    ],
)
def test_arguments_that_exclude_each_other(tmp_path, monkeypatch, arguments, error, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        start(**arguments)
