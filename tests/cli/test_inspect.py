"""`fastlm inspect`: what it says of a model and of a checkpoint, and one line for what is wrong."""

from __future__ import annotations

import json
import shlex

import numpy as np
import pytest

from fastlm.api.language_model import LanguageModel

from .conftest import SMALL, assert_one_line


@pytest.fixture
def trained(run, corpus, tmp_path):
    outcome = run("train", corpus, *SMALL, "--steps", "40", "--valid", "0.2")
    assert outcome.code == 0
    return tmp_path / "model.safetensors"


def test_a_word_model_with_pools(run, corpus):
    more = ("--tokenizer", "word", "--far", "2,3", "--valid", "0.2")
    assert run("train", corpus, *SMALL, *more, "--steps", "5", "--quiet").code == 0
    text = run("inspect", "model.safetensors").out
    assert "context 3 (concat) and 2 and 3 further back, embedding 4, hidden 8: " in text
    assert "bits/" not in text


def test_a_checkpoint(run, trained):
    outcome = run("inspect", "model.checkpoint.safetensors")
    assert outcome.code == 0, outcome.err
    for words in (
        "a checkpoint", "format 1", "context 3 (concat)", "char, ", "corpus.txt",
        "batch 8", "step 40 of 40 (100%)", "finished", "tokens/s", "best", "validations",
        "bits/char, perplexity", "to train on", "for validation",
    ):  # fmt: skip
        assert words in outcome.out, words
    (line,) = [line for line in outcome.out.splitlines() if line.startswith("to continue")]
    assert line.endswith("fastlm train --resume --steps N (more than now)")


def test_a_model(run, trained):
    outcome = run("inspect", trained)
    assert outcome.code == 0
    for words in ("a model", "step 40", "finished", "best", "validations"):
        assert words in outcome.out
    assert "to continue" not in outcome.out


def test_a_model_that_knows_nothing_of_its_training(run, model):
    outcome = run("inspect", model)
    assert outcome.code == 0
    assert "a model" in outcome.out
    assert json.loads(run("inspect", model, "--json").out)["history"] == []


def test_json(run, trained):
    outcome = run("inspect", "model.checkpoint.safetensors", "--json")
    facts = json.loads(outcome.out)
    assert outcome.err == ""
    lm = LanguageModel.load(trained)
    assert facts["kind"] == "checkpoint"
    assert facts["parameters"] == lm.params.size
    assert (facts["step"], facts["total_steps"], facts["fraction"]) == (40, 40, 1.0)
    assert facts["valid_loss"] == lm.details["valid_loss"]
    assert facts["history"][-1]["step"] == 40
    assert facts["history"] == lm.details["history"]
    assert facts["lr"] == 0.0
    assert facts["ended"] is True
    assert shlex.split(facts["resume"]) == ["fastlm", "train", "--resume"]


def test_neighbors(run, trained):
    facts = json.loads(run("inspect", trained, "--json", "--neighbors", "e").out)
    lm = LanguageModel.load(trained)
    vectors = lm.tensors["embeddings"].astype(float)
    (id,) = lm.tokenizer.encode("e").tolist()
    cosines = vectors @ vectors[id] / np.linalg.norm(vectors, axis=1) / np.linalg.norm(vectors[id])
    order = [other for other in np.argsort(-cosines) if other != id][:10]
    assert [near["token"] for near in facts["neighbors"]] == [
        lm.tokenizer.token(other) for other in order
    ]
    assert facts["neighbors"][0]["cosine"] == pytest.approx(cosines[order[0]])
    assert "cosine" in run("inspect", trained, "--neighbors", "<end>").out


def test_what_is_refused(run, corpus, trained, tmp_path):
    assert_one_line(run("inspect", trained, "--neighbors", "the"), 1, "'the'", "char")
    assert_one_line(run("inspect", trained, "--neighbors", "é"), 1, "'é'")
    assert_one_line(run("inspect", corpus), 1, "corpus.txt", "not a model file")
    assert_one_line(run("inspect", "absent"), 1, "no file absent")
    assert_one_line(run("inspect", tmp_path), 1, "folder")
    assert_one_line(run("inspect", trained, "--plot", "curve.txt"), 1, "curve.txt", ".png")
    trained.write_bytes(trained.read_bytes()[:-1])
    assert_one_line(run("inspect", trained), 1, "cut short")
