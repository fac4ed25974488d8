"""Are the figures of a text those of the definition, computed slowly?"""

from __future__ import annotations

import math

import numpy as np
import pytest

import fastlm.inference.evaluation
from fastlm.config import ModelConfig
from fastlm.engine.losses import evaluate_tokens, mean_loss, position_losses
from fastlm.engine.tokens import token_array
from fastlm.errors import CorpusError, TrainingError
from fastlm.inference.evaluation import Evaluation, evaluate_documents
from fastlm.model.layout import Layout
from fastlm.tokenizers import ByteTokenizer, CharTokenizer, build_tokenizer
from fastlm_kernels.runtime.jit import JIT_DISABLED
from tests import naive
from tests.tokenizers.samples import mini_tokenizer

TEXTS = ["the cat sat", "", "on thé mat", "q", "a fat cat"]


def model_for(tokenizer, **changes):
    shape = {"context": 3, "embed": 4, "hidden": (5,)} | changes
    config = ModelConfig(vocab=tokenizer.vocab_size, boundary=tokenizer.boundary_id, **shape)
    rng = np.random.default_rng(2)
    return config, rng.standard_normal(Layout(config).size).astype(np.float32)


def oracle_losses(config, params, ids):
    """-log p of every token of one document (with its end symbol) that has a context."""
    shape = naive.NaiveConfig(
        vocab=config.vocab, context=config.context, embed=config.embed, hidden=config.hidden
    )
    tensors = naive.split(params.astype(np.float64), shape)
    boundary = -1 if config.boundary is None else config.boundary
    positions = np.arange(naive.first_target(config.context, boundary), len(ids))
    return naive.nll_of_positions(tensors, shape, ids, positions, boundary)


def test_figures_are_those_of_their_formulae():
    found = Evaluation(tokens=4, oov=1, chars=10, bytes=20, log_prob=-8 * math.log(2))
    assert found.nats_per_token == pytest.approx(2 * math.log(2))
    assert found.perplexity == pytest.approx(4)
    assert found.bits_per_char == pytest.approx(0.8)
    assert found.bits_per_byte == pytest.approx(0.4)
    assert found.to_dict() == {
        "tokens": 4,
        "oov": 1,
        "chars": 10,
        "bytes": 20,
        "nats_per_token": found.nats_per_token,
        "perplexity": found.perplexity,
        "bits_per_char": found.bits_per_char,
        "bits_per_byte": found.bits_per_byte,
    }


def test_a_perplexity_beyond_float64_is_infinite_and_null_in_json():
    found = Evaluation(tokens=1, oov=0, chars=0, bytes=0, log_prob=-1000.0)
    assert found.perplexity == math.inf
    assert math.isnan(found.bits_per_char)
    assert found.to_dict()["perplexity"] is None
    assert found.to_dict()["bits_per_byte"] is None


@pytest.mark.parametrize("documents", ["file", "lines", "paragraphs"])
def test_documents_are_measured_as_the_oracle_measures_each_by_itself(documents):
    tokenizer = build_tokenizer("char", ["the cat sat on a mat"])
    config, params = model_for(tokenizer)
    found = evaluate_documents(params, config, tokenizer, TEXTS, documents)

    nats = tokens = 0
    for text in TEXTS:
        losses = oracle_losses(config, params, [*tokenizer.encode(text), tokenizer.boundary_id])
        counted = losses if documents != "file" else losses[:-1]
        nats += counted.sum()
        tokens += counted.size
    ends = {"file": 0, "lines": 1, "paragraphs": 2}[documents] * len(TEXTS)
    assert found.log_prob == pytest.approx(-nats, rel=1e-5)
    assert found.tokens == tokens
    assert found.oov == 3  # é, q, f
    assert found.chars == sum(map(len, TEXTS)) + ends
    assert found.bytes == sum(len(text.encode()) for text in TEXTS) + ends


def test_a_model_without_an_end_symbol_counts_from_the_first_full_context():
    tokenizer = CharTokenizer.tiny()
    config, params = model_for(tokenizer)
    texts = ["The cat", "ab", "dögs"]
    found = evaluate_documents(params, config, tokenizer, texts, "lines")
    counted = (oracle_losses(config, params, tokenizer.encode(text)) for text in texts[::2])
    nats = sum(losses.sum() for losses in counted)
    assert found.log_prob == pytest.approx(-nats, rel=1e-5)
    assert (found.tokens, found.oov, found.chars, found.bytes) == (5, 0, 5, 5)


def test_bytes_before_the_first_full_context_do_not_count():
    tokenizer = ByteTokenizer(boundary=False)
    config, params = model_for(tokenizer)
    found = evaluate_documents(params, config, tokenizer, ["aéé!"], "file")
    # Three bytes are skipped, a and é: é and ! are left.
    assert (found.tokens, found.chars, found.bytes) == (3, 2, 3)
    found = evaluate_documents(params, config, tokenizer, ["abéz"], "file")
    # The third byte is half of é, which is there only when the fourth is.
    assert (found.tokens, found.chars, found.bytes) == (2, 2, 2)


def test_words_before_the_first_full_context_do_not_count():
    tokenizer = mini_tokenizer(["the cat sat on a mat."])
    config, params = model_for(tokenizer)
    found = evaluate_documents(params, config, tokenizer, ["the cat sat on a mat."], "file")
    assert (found.tokens, found.chars, found.bytes) == (4, len(" on a mat."), len(" on a mat."))


@pytest.mark.parametrize("size", [1, 7, 10, 1000])
def test_slices_and_batches_do_not_change_the_figures(monkeypatch, size):
    tokenizer = build_tokenizer("char", ["the cat sat on a mat"])
    config, params = model_for(tokenizer)
    expected = evaluate_documents(params, config, tokenizer, TEXTS, "lines")
    monkeypatch.setattr(fastlm.inference.evaluation, "_SLICE", size)
    found = evaluate_documents(params, config, tokenizer, TEXTS, "lines")
    assert found.log_prob == pytest.approx(expected.log_prob, rel=1e-6)
    assert (found.tokens, found.oov, found.chars) == (expected.tokens, expected.oov, expected.chars)


def test_threads_do_not_change_the_figures():
    tokenizer = build_tokenizer("char", ["the cat sat on a mat"])
    config, params = model_for(tokenizer)
    one = evaluate_documents(params, config, tokenizer, TEXTS * 20, "lines", threads=1)
    assert evaluate_documents(params, config, tokenizer, TEXTS * 20, "lines", threads=3) == one


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
@pytest.mark.parametrize("count_boundary", [False, True])
def test_mean_loss_leaves_the_boundary_out_unless_it_counts(dtype, count_boundary):
    tokenizer = build_tokenizer("char", ["the cat sat on a mat"])
    config, params = model_for(tokenizer)
    ids = tokenizer.encode_documents(["the cat", "sat"]).astype(dtype)
    losses = oracle_losses(config, params, ids)
    keep = np.ones(ids.size, dtype=bool) if count_boundary else ids != tokenizer.boundary_id
    tokens = token_array(ids, config.vocab)
    nats, count = mean_loss(params, config, tokens, count_boundary)
    assert nats == pytest.approx(losses[keep].sum(), rel=1e-5)
    assert count == keep.sum() == (12 if count_boundary else 10)
    assert evaluate_tokens(params, config, ids, count_boundary=count_boundary)[:2] == (nats, count)


def test_text_that_leaves_nothing_to_predict_is_refused_with_both_numbers():
    tokenizer = CharTokenizer.tiny()
    config, params = model_for(tokenizer)
    with pytest.raises(CorpusError, match=r"longest document has 3 tokens, but .* at least 4"):
        evaluate_documents(params, config, tokenizer, ["a", "abc"], "lines")
    with pytest.raises(CorpusError, match="has 2 tokens, but this model needs at least 4"):
        mean_loss(params, config, token_array(np.array([1, 2]), 27), count_boundary=False)
    with pytest.raises(CorpusError, match="longest document has 0 tokens"):
        evaluate_documents(params, config, tokenizer, [], "lines")


def test_losses_that_are_not_finite_are_refused():
    tokenizer = CharTokenizer.tiny()
    config, params = model_for(tokenizer)
    params[:] = 3e38
    with np.errstate(all="ignore"), pytest.raises(TrainingError, match="weights are out of range"):
        evaluate_documents(params, config, tokenizer, ["the cat"], "file")


def test_losses_whose_logits_come_in_blocks():
    """More outputs, more rows of a cluster, and larger logits late in a row than one block has."""
    vocab, cutoffs = 700, (300,)
    config = ModelConfig(vocab=vocab, context=2, embed=4, hidden=(5,), boundary=0, cutoffs=cutoffs)
    rng = np.random.default_rng(4)
    params = rng.normal(0, 1, Layout(config).size).astype(np.float32)
    Layout(config).views(params)["output.bias"][290:] += 20
    ids = rng.integers(1, vocab, 12 if JIT_DISABLED else 700)
    ids[:3] = 301, 556, 699
    shape = naive.NaiveConfig(
        vocab=vocab, context=2, embed=4, hidden=(5,), cutoffs=cutoffs, combine="concat"
    )
    tensors = naive.split(params.astype(np.float64), shape)
    expected = naive.nll_of_positions(tensors, shape, ids, np.arange(len(ids)), 0)
    found = position_losses(params, config, token_array(ids, vocab), 0, len(ids))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-6)
