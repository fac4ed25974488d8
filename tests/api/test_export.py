"""Other programs compute from an exported model what fastlm does."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

import fastlm
from fastlm.api.arpa import load_counts
from fastlm.api.export import OPSET, export, left_out, onnx_graph
from fastlm.config import ModelConfig
from fastlm.engine.generation import context_logits, start_context
from fastlm.errors import ExportError, MissingLibraryError, ModelFileError
from fastlm.inference.generation import excluded_ids
from fastlm.model.layout import Layout
from fastlm.model.model_file import read_model_file, write_model_file
from fastlm.tokenizers import build_tokenizer
from tests.inference.mixtures import make_mixture

TEXT = "the cat sat on the mat, and the dog ran in a fog.\n" * 30
TOKENIZER = build_tokenizer("char", [TEXT])

SHAPES = {
    "default": {},
    "no hidden layer": {"hidden": ()},
    "two hidden layers, no biases": {"hidden": (9, 7), "bias": False},
    "mean": {"combine": "mean", "hidden": (6,)},
    "no end": {"boundary": None},
    "far context": {"far": (3, 5)},
    "far context, mean": {"far": (2,), "combine": "mean", "hidden": ()},
    "adaptive softmax": {"cutoffs": (5, 11)},
    "both, no biases": {"cutoffs": (8,), "far": (4,), "bias": False},
}


def make_model(**shape):
    tokenizer = TOKENIZER
    if "boundary" in shape:
        tokenizer = build_tokenizer("char", [TEXT], boundary=False)
    config = ModelConfig(
        **{
            "vocab": tokenizer.vocab_size, "boundary": tokenizer.boundary_id,
            "context": 4, "embed": 5, "hidden": (12,),
        } | shape
    )  # fmt: skip
    rng = np.random.default_rng(3)
    params = (0.4 * rng.standard_normal(Layout(config).size)).astype(np.float32)
    return fastlm.LanguageModel(config, params, tokenizer, documents="lines")


def real_contexts(model, count=200):
    """Those of the first positions of the text, the ones before which there is no text too."""
    ids = model.tokenizer.encode(TEXT).tolist()
    return np.array([start_context(model.config, ids[:at]) for at in range(count)])


def log_softmax(z):
    z = z.astype(np.float64) - z.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


@pytest.mark.parametrize("name", SHAPES)
def test_onnxruntime_computes_the_same(name, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    model = make_model(**SHAPES[name])
    path = tmp_path / "m.onnx"
    export(model, path, "onnx")
    session = runtime.InferenceSession(path, providers=["CPUExecutionProvider"])
    contexts = real_contexts(model)
    logits, log_probs = session.run(
        ["logits", "log_probs"], {"contexts": contexts.astype(np.int64)}
    )
    expected = context_logits(model.params, model.config, contexts)
    assert np.ptp(expected) > 1
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5)
    np.testing.assert_allclose(log_probs, log_softmax(expected), rtol=0, atol=1e-5)
    (one,) = session.run(["logits"], {"contexts": contexts[7:8].astype(np.int64)})
    np.testing.assert_allclose(one, expected[7:8], rtol=0, atol=1e-5)


def test_the_graph_says_what_goes_in_and_what_the_model_is():
    pytest.importorskip("onnx")
    model = make_model()
    graph = onnx_graph(model)
    assert [entry.version for entry in graph.opset_import] == [OPSET]
    metadata = {entry.key: entry.value for entry in graph.metadata_props}
    assert json.loads(metadata["tokenizer"]) == model.tokenizer.to_dict()
    assert json.loads(metadata["model"]) == model.config.to_dict()
    assert metadata["documents"] == "lines"
    assert json.loads(metadata["excluded_ids"]) == excluded_ids(model.text_model)
    assert model.tokenizer.unk_id in excluded_ids(model.text_model)
    tensors = {tensor.name for tensor in graph.graph.initializer}
    assert set(model.tensors) <= tensors
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*graph.graph.input, *graph.graph.output)
    }
    size, vocab = model.config.span, model.config.vocab
    assert shapes == {
        "contexts": ["batch", size], "logits": ["batch", vocab], "log_probs": ["batch", vocab],
    }  # fmt: skip


def test_the_same_model_gives_the_same_bytes(tmp_path):
    pytest.importorskip("onnx")
    for name in ("a", "b"):
        export(make_model(), tmp_path / name, "onnx")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_without_the_package_there_is_one_line(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(
        MissingLibraryError, match=r"needs the package onnx; install it with: pip install onnx$"
    ):
        export(make_model(), tmp_path / "m.onnx", "onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_model_too_large_for_onnx_is_refused(monkeypatch):
    pytest.importorskip("onnx")
    monkeypatch.setattr("fastlm.api.export._MOST_BYTES", 1 << 24)
    with pytest.raises(ExportError, match=r"the model has 0.0 GB, and ONNX files hold 2; export"):
        onnx_graph(make_model())


def test_safetensors_leaves_out_what_a_checkpoint_has_besides(tmp_path):
    model = make_model()
    extra = {"momentum.embeddings": np.ones(3, dtype=np.float32)}
    checkpoint = tmp_path / "checkpoint.safetensors"
    write_model_file(checkpoint, model.tensors | extra, model.metadata() | {"kind": "checkpoint"})
    path = tmp_path / "m.safetensors"
    export(fastlm.load(checkpoint), path, "safetensors")
    tensors, metadata = read_model_file(path)
    assert metadata["kind"] == "model"
    assert tensors.keys() == model.tensors.keys()
    assert fastlm.load(path).params.tobytes() == model.params.tobytes()


def test_the_tokenizer_is_one_that_build_tokenizer_reads(tmp_path):
    path = tmp_path / "tokenizer.json"
    export(make_model(), path, "tokenizer")
    assert build_tokenizer("char", vocab_file=path) == TOKENIZER


def test_what_cannot_be_written_is_one_line(tmp_path):
    with pytest.raises(
        ExportError, match="cannot export to 'gguf'; choose one of arpa, onnx, safe"
    ):
        export(make_model(), tmp_path / "m", "gguf")
    for name in ("none/m.json", "a\0b"):
        with pytest.raises(ExportError, match=r"cannot write the tokenizer to .*; ") as caught:
            export(make_model(), tmp_path / name, "tokenizer")
        assert "\n" not in str(caught.value)
    with pytest.raises(ModelFileError, match="make the folder first"):
        export(make_model(), tmp_path / "none" / "m.safetensors", "safetensors")


def test_a_graph_says_which_members_it_leaves_out():
    lm = make_mixture("two networks and counts")
    said = left_out(lm, "onnx")
    assert "1 of 2 networks and counts of order 3" in said
    assert left_out(lm, "safetensors") is None
    assert left_out(make_mixture("two networks"), "onnx").endswith("1 of 2 networks")


def test_counts_alone_have_no_graph(tmp_path):
    lm = make_mixture("counts")
    assert left_out(lm, "onnx") is None
    with pytest.raises(ExportError, match="counts alone"):
        export(lm, tmp_path / "m.onnx", "onnx")
    export(lm, tmp_path / "m.safetensors", "safetensors")
    assert fastlm.load(tmp_path / "m.safetensors").generate(seed=1) == lm.generate(seed=1)


def test_counts_are_written_as_arpa(tmp_path):
    lm = make_mixture("counts")
    export(lm, tmp_path / "c.arpa", "arpa")
    assert left_out(lm, "arpa") is None
    again = load_counts(tmp_path / "c.arpa", lm.tokenizer)
    np.testing.assert_allclose(again.log_probs[-1], lm.counts.log_probs[-1], atol=1e-6)
    mixed = make_mixture()
    export(mixed, tmp_path / "m.arpa", "arpa")
    assert left_out(mixed, "arpa").endswith("left out: the network and the weights")


def test_a_network_has_no_arpa_file(tmp_path):
    with pytest.raises(ExportError, match="no counts, which an ARPA file holds"):
        export(make_mixture("two networks"), tmp_path / "c.arpa", "arpa")
