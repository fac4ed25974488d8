"""Adaptive figures: by their own name, beside those that depend on nothing before a document."""

from __future__ import annotations

import dataclasses

import pytest

from fastlm.data.prepare import prepare
from fastlm.errors import ConfigError
from fastlm.inference.cache import TokenCache
from fastlm.tokenizers import CharTokenizer
from tests.inference.mixtures import KINDS, make_mixture
from tests.inference.models import model_of

TEXT = "on a mat on a mat on a mat " * 20


@pytest.mark.parametrize("kind", KINDS)
def test_a_text_that_repeats_itself_is_predicted_better(kind):
    lm = make_mixture(kind, tokenizer="word", documents="file")
    static, adaptive = lm.evaluate(TEXT), lm.evaluate(TEXT, cache=100)
    assert static.perplexity_adaptive is None
    assert "perplexity_adaptive" not in static.to_dict()
    assert adaptive.perplexity_adaptive < adaptive.perplexity
    assert list(adaptive.to_dict())[-1] == "perplexity_adaptive"
    assert dataclasses.replace(adaptive, log_prob_adaptive=None) == static


def test_threads_batches_and_stores_give_the_same(tmp_path, monkeypatch):
    lm = make_mixture(documents="file")
    texts = [TEXT, "the cat", "and the dog saw it " * 9]
    expected = lm.evaluate(texts, cache=50, threads=1)
    assert lm.evaluate(texts, cache=50, threads=2) == expected
    monkeypatch.setattr("fastlm.inference.evaluation._BATCH_CHARS", 7)
    assert lm.evaluate(texts, cache=50).log_prob_adaptive == pytest.approx(
        expected.log_prob_adaptive, rel=1e-12
    )
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.txt").write_text(text)
    store = prepare(
        sorted(tmp_path.glob("*.txt")), tmp_path / "s.tokens", tokenizer=lm.tokenizer, valid=0
    )
    found = lm.evaluate(store, cache=50)
    assert found.log_prob_adaptive == pytest.approx(expected.log_prob_adaptive, rel=1e-12)
    assert found.perplexity_adaptive == pytest.approx(expected.perplexity_adaptive)


def test_documents_do_not_see_each_other():
    lm = make_mixture(documents="file")
    one, two = (lm.evaluate(text, cache=9).log_prob_adaptive for text in (TEXT, "the dog"))
    both = lm.evaluate([TEXT, "the dog"], cache=9).log_prob_adaptive
    assert both == pytest.approx(one + two, rel=1e-12)


def test_a_cache_that_cannot_be_is_refused():
    lm = make_mixture()
    for size in (0, -1, 2**40, "5"):
        with pytest.raises(ConfigError, match="cache is"):
            lm.evaluate(TEXT, cache=size)
    tiny = model_of(CharTokenizer.tiny())
    with pytest.raises(ConfigError, match="no boundary token"):
        TokenCache(tiny.text_model, 5)
