"""Facts about models and checkpoints, nearest neighbours and curves."""

from __future__ import annotations

import numpy as np
import pytest

import fastlm
from fastlm.api.inspection import Inspection
from fastlm.errors import ConfigError, ModelFileError
from tests.api.models import make_model
from tests.inference.mixtures import make_mixture

TEXT = "the cat sat on the mat and the dog sat on the log. " * 20
SETTINGS = {"context": 3, "embed": 4, "hidden": (8,), "batch": 8, "steps": 6}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(the model file, the checkpoint, the model) of a run with a metrics file."""
    folder = tmp_path_factory.mktemp("run")
    model, checkpoint = folder / "m.safetensors", folder / "m.checkpoint.safetensors"
    lm = fastlm.train(
        texts=[TEXT],
        valid=0.2,
        checkpoint=checkpoint,
        metrics=folder / "m.metrics.jsonl",
        counts="none",
        **SETTINGS,
    )
    lm.save(model)
    return model, checkpoint, lm


def test_the_facts_of_a_model(run):
    path, _, lm = run
    facts = Inspection(path).facts
    assert facts["kind"] == "model"
    assert facts["file"] == str(path)
    assert facts["bytes"] == path.stat().st_size
    assert facts["parameters"] == lm.params.size
    assert facts["model"] == lm.config.to_dict()
    assert facts["tokenizer"] == {"kind": "char", "vocab": lm.config.vocab}
    assert facts["valid_loss"] == lm.result.best.loss


def test_the_facts_of_a_checkpoint(run):
    _, path, lm = run
    facts = Inspection(path).facts
    assert facts["kind"] == "checkpoint"
    assert (facts["step"], facts["total_steps"], facts["fraction"]) == (6, 6, 1.0)
    assert facts["reason"] == "finished"
    assert facts["history"][-1]["valid_loss"] == lm.details["history"][-1]["valid_loss"]


def test_neighbours_are_those_of_largest_cosine(tmp_path):
    lm = make_model("word", embed=6)
    lm.save(tmp_path / "m.safetensors")
    found = Inspection(tmp_path / "m.safetensors").neighbors("to")
    vectors = lm.tensors["embeddings"].astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1)[:, None]
    id = lm.tokenizer.id_of("to")
    cosines = {lm.tokenizer.token(k): vectors[k] @ vectors[id] for k in range(len(vectors))}
    del cosines["to"]
    expected = sorted(cosines.items(), key=lambda pair: -pair[1])[:10]
    assert [name for name, _ in found] == [name for name, _ in expected]
    np.testing.assert_allclose([c for _, c in found], [c for _, c in expected])
    with pytest.raises(ConfigError, match="'zebra' is not one token of"):
        Inspection(tmp_path / "m.safetensors").neighbors("zebra")


def test_another_file_is_refused(tmp_path):
    (tmp_path / "text").write_text(TEXT)
    with pytest.raises(ModelFileError, match="not a fastlm model"):
        Inspection(tmp_path / "text")


def test_a_mixture_and_counts_alone(tmp_path):
    lm = make_mixture("two networks and counts")
    lm.save(tmp_path / "m")
    facts = Inspection(tmp_path / "m").facts
    assert facts["counts"]["order"] == 3
    assert facts["counts"]["ngrams"] == list(lm.counts.counts)
    assert len(facts["others"]) == 1
    assert facts["weights"] == lm.weights.tolist()
    make_mixture("counts").save(tmp_path / "c")
    alone = Inspection(tmp_path / "c")
    assert (alone.facts["model"], alone.facts["parameters"]) == (None, 0)
    with pytest.raises(ConfigError, match="counts alone"):
        alone.neighbors("t")
