"""The figures of texts, against their definition in float64 and as the sum of the scores."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastlm.inference.evaluation
from fastlm.api.language_model import LanguageModel
from fastlm.config import ModelConfig
from fastlm.data.prepare import prepare
from fastlm.errors import CorpusError, StoreError, TextError, TrainingError
from fastlm.inference import batching
from fastlm.inference.evaluation import Evaluation, evaluate_store, evaluate_texts
from fastlm.model.layout import Layout
from fastlm.tokenizers import ByteTokenizer, CharTokenizer, build_tokenizer
from fastlm_kernels.runtime.jit import JIT_DISABLED
from tests import naive
from tests.tokenizers.samples import mini_tokenizer

TEXTS = ["the cat sat", "on thé mat", "q", "a fat cat"]
CORPUS = "the cat sat on a mat"
SAME = 1e-6 if JIT_DISABLED else 1e-12  # NumPy's products depend on the number of rows


def model_for(tokenizer, documents="file", **changes):
    shape = {"context": 3, "embed": 4, "hidden": (5,)} | changes
    config = ModelConfig(vocab=tokenizer.vocab_size, boundary=tokenizer.boundary_id, **shape)
    params = np.random.default_rng(2).standard_normal(Layout(config).size).astype(np.float32)
    return LanguageModel(config, params, tokenizer, documents=documents).text_model


def oracle_losses(model, document):
    """-log p of each token of a document (with its boundary token) that has a context."""
    network, tokenizer = model.networks[0], model.tokenizer
    config = network.config
    shape = naive.NaiveConfig(
        vocab=config.vocab, context=config.context, embed=config.embed, hidden=config.hidden
    )
    tensors = naive.split(network.params.astype(np.float64), shape)
    boundary = -1 if config.boundary is None else config.boundary
    ids = tokenizer.encode_documents([document])
    positions = np.arange(naive.first_target(config.context, boundary), len(ids))
    return naive.nll_of_positions(tensors, shape, ids, positions, boundary)


def test_figures_are_those_of_their_formulae():
    found = Evaluation(tokens=4, oov=1, chars=10, bytes=20, log_prob=-8 * math.log(2))
    assert found.nats_per_token == pytest.approx(2 * math.log(2))
    assert found.to_dict() == {
        "tokens": 4,
        "oov": 1,
        "chars": 10,
        "bytes": 20,
        "nats_per_token": found.nats_per_token,
        "perplexity": pytest.approx(4),
        "bits_per_char": pytest.approx(0.8),
        "bits_per_byte": pytest.approx(0.4),
    }


def test_a_perplexity_beyond_float64_is_null_in_json():
    found = Evaluation(tokens=1, oov=0, chars=0, bytes=0, log_prob=-1000.0).to_dict()
    assert found["nats_per_token"] == 1000
    assert found["perplexity"] is found["bits_per_char"] is found["bits_per_byte"] is None


@pytest.mark.parametrize("documents", ["file", "lines", "paragraphs"])
def test_documents_are_measured_as_the_oracle_measures_each_by_itself(documents):
    model = model_for(build_tokenizer("char", [CORPUS]), documents)
    found = evaluate_texts(model, TEXTS)
    losses = [oracle_losses(model, text) for text in TEXTS]
    if documents == "file":
        losses = [of_document[:-1] for of_document in losses]
    ends = {"file": 0, "lines": 1, "paragraphs": 2}[documents] * len(TEXTS)
    assert found.log_prob == pytest.approx(-sum(map(np.sum, losses)), rel=1e-5)
    assert found.tokens == sum(map(len, losses))
    assert found.oov == 3  # é, q, f
    assert found.chars == sum(map(len, TEXTS)) + ends
    assert found.bytes == sum(len(text.encode()) for text in TEXTS) + ends


def test_texts_without_a_document_count_nowhere():
    model = model_for(build_tokenizer("char", [CORPUS]), "lines")
    assert evaluate_texts(model, ["", "the cat", " \n\n", " "]) == evaluate_texts(
        model, ["the cat"]
    )


TOKENIZERS = [
    build_tokenizer("char", [CORPUS]),
    build_tokenizer("word", [CORPUS]),
    ByteTokenizer(),
    CharTokenizer.tiny(),
    mini_tokenizer([CORPUS]),
]
MODELS = [
    model_for(tokenizer, documents)
    for tokenizer in TOKENIZERS
    for documents in ("file", "lines", "paragraphs")
]


@given(
    model=st.sampled_from(MODELS),
    texts=st.lists(st.text(st.sampled_from("the cason\n\r "), min_size=1), min_size=1, max_size=8),
    size=st.integers(1, 40),
)
@settings(deadline=None, max_examples=20 if JIT_DISABLED else 80)
def test_an_evaluation_is_the_sum_of_the_scores_in_batches_of_any_size(model, texts, size):
    (network,) = model.networks
    lm = LanguageModel(network.config, network.params, model.tokenizer, documents=model.documents)
    # A text of white space is a text to be scored, but no document of a corpus.
    texts = [text for text in texts if model.documents == "file" or not text.isspace()]
    try:
        scores = lm.score_arrays(texts)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(batching, "PART_CHARS", size)
            patch.setattr(fastlm.inference.evaluation, "_BATCH_CHARS", size)
            found = lm.evaluate(texts)
    except TextError:  # 'c' and the like are unknown to a vocabulary without <unk>
        return
    except CorpusError:
        assert scores.tokens.sum() == 0
        return
    for name in ("tokens", "oov", "chars", "bytes"):
        assert getattr(found, name) == getattr(scores, name).sum()
    assert found.log_prob == pytest.approx(scores.log_prob.sum(), rel=SAME)


def test_a_model_without_an_end_counts_from_the_first_full_context():
    model = model_for(CharTokenizer.tiny(), "lines")
    texts = ["The cat", "ab", "dögs"]
    found = evaluate_texts(model, texts)
    nats = sum(oracle_losses(model, text).sum() for text in texts[::2])
    assert found.log_prob == pytest.approx(-nats, rel=1e-5)
    assert (found.tokens, found.oov, found.chars, found.bytes) == (5, 0, 5, 5)


def test_threads_do_not_change_the_figures():
    model = model_for(build_tokenizer("char", [CORPUS]), "lines")
    one = evaluate_texts(model, TEXTS * 200)
    assert evaluate_texts(model, TEXTS * 200, threads=3) == one


def test_text_that_leaves_nothing_to_predict_is_refused():
    model = model_for(CharTokenizer.tiny(), "lines")
    with pytest.raises(CorpusError, match=r"no document has the 4 tokens that this model needs"):
        evaluate_texts(model, ["a", "abc"])
    for texts in ([], [""], ["\n"]):
        with pytest.raises(CorpusError, match="texts hold no document: all are empty"):
            evaluate_texts(model_for(build_tokenizer("char", [CORPUS]), "lines"), texts)


def test_losses_that_are_not_finite_are_refused():
    model = model_for(CharTokenizer.tiny())
    model.networks[0].params[:] = 3e38
    with np.errstate(all="ignore"), pytest.raises(TrainingError, match="weights are out of range"):
        evaluate_texts(model, ["the cat"])


# ---------------------------------------------------------------------------- stores


@pytest.mark.parametrize("documents", ["file", "lines", "paragraphs"])
def test_a_store_has_the_figures_of_its_text(tmp_path, documents):
    (tmp_path / "text").write_text("the cat sat\non thé mat\n\na fat cat\n", encoding="utf-8")
    tokenizer = build_tokenizer("char", [CORPUS])
    store = prepare(tmp_path / "text", tmp_path / "store", tokenizer=tokenizer, documents=documents)
    model = model_for(tokenizer, documents)
    found = evaluate_store(model, store)
    expected = evaluate_texts(model, [(tmp_path / "text").read_text(encoding="utf-8")])
    assert found.log_prob == pytest.approx(
        expected.log_prob, rel=1e-12 if not JIT_DISABLED else 1e-6
    )
    for name in ("tokens", "oov", "chars", "bytes"):
        assert getattr(found, name) == getattr(expected, name)


def test_a_store_of_another_tokenizer_or_without_an_end_is_refused(tmp_path):
    (tmp_path / "text").write_text("the cat sat", encoding="utf-8")
    store = prepare(tmp_path / "text", tmp_path / "store", tokenizer="char", documents="file")
    with pytest.raises(StoreError, match="tokenizer"):
        evaluate_store(model_for(ByteTokenizer()), store)
    tiny = CharTokenizer.tiny()
    store = prepare(tmp_path / "text", tmp_path / "tiny", tokenizer=tiny, documents="file")
    with pytest.raises(StoreError, match="no boundary tokens"):
        evaluate_store(model_for(tiny), store)
