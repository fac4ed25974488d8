"""The score of each text is that of its definition, whatever texts are around it."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastlm.errors import ConfigError, TextError, TokenizerError, TrainingError
from fastlm.inference import batching
from fastlm.inference.scoring import Score
from fastlm.tokenizers import ByteTokenizer, CharTokenizer
from tests.inference.models import CORPUS, make_model, model_of, oracle
from tests.tokenizers.samples import mini_tokenizer

TEXTS = ["the cat", "", "on thé mat", "q", "a fat\tcat sat on the mat", "\0", " ", "猫 the"]


SHAPES = [
    {},
    {"hidden": (8, 7, 6), "context": 3},
    {"hidden": ()},
    {"combine": "mean"},
    {"bias": False, "context": 4},
    {"embed": 3, "context": 1},
    {"far": (2, 6)},
    {"far": (3,), "combine": "mean", "hidden": ()},
    {"cutoffs": (4, 9)},
    {"cutoffs": (5,), "hidden": (), "far": (4,)},
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["char", "byte", "word", "whitespace"])
def test_scores_are_those_of_the_oracle(kind, shape):
    lm = make_model(kind, **shape)
    for text, found in zip(TEXTS, lm.score(TEXTS), strict=True):
        ids, losses = (column[:-1] for column in oracle(lm, text))
        unknown = ids == (-1 if lm.tokenizer.unk_id is None else lm.tokenizer.unk_id)
        assert found.log_prob == pytest.approx(-losses.sum(), rel=1e-5, abs=1e-6)
        assert found.log_prob_without_oov == pytest.approx(
            -losses[~unknown].sum(), rel=1e-5, abs=1e-6
        )
        assert (found.tokens, found.oov) == (ids.size, unknown.sum())
        assert (found.chars, found.bytes) == (len(text), len(text.encode()))


@pytest.mark.parametrize(("documents", "end_chars"), [("file", 0), ("lines", 1), ("paragraphs", 2)])
def test_the_end_symbol_counts_where_evaluation_counts_it_or_as_said(documents, end_chars):
    lm = make_model(documents=documents)
    for text in TEXTS:
        losses = oracle(lm, text)[1]
        (with_end,) = lm.score([text], count_end=True)
        (without,) = lm.score([text], count_end=False)
        assert with_end.log_prob == pytest.approx(-losses.sum(), rel=1e-5)
        assert without.log_prob == pytest.approx(-losses[:-1].sum(), rel=1e-5, abs=1e-6)
        assert with_end.tokens == without.tokens + 1 == len(text) + 1
        assert with_end.chars == without.chars + end_chars == len(text) + end_chars
        assert with_end.bytes == without.bytes + end_chars
        default = without if documents == "file" else with_end
        assert next(lm.score([text])) == default


@pytest.mark.parametrize("documents", ["file", "lines", "paragraphs"])
@pytest.mark.parametrize("text", ["the cat", "the\ncat\n", "the cat\r\nsat\r\n \r\non a\n\nmat"])
def test_one_text_is_scored_as_evaluation_measures_it(documents, text):
    lm = make_model(documents=documents)
    (found,) = lm.score([text])
    expected = lm.evaluate(text.replace("\r\n", "\n"))  # as a file is read
    assert found.log_prob == pytest.approx(expected.log_prob, rel=1e-6)
    for name in ("tokens", "oov", "chars", "bytes"):
        assert getattr(found, name) == getattr(expected, name)
    for name in ("perplexity", "bits_per_char", "bits_per_byte"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-6)


@pytest.mark.parametrize(
    ("text", "stands_for"), [("", ""), ("  ", "  "), ("\n", ""), ("\r\n\n", "")]
)
def test_text_without_a_document_is_one_as_it_stands(text, stands_for):
    lm = make_model(documents="lines")
    (found,) = lm.score([text])
    assert found.log_prob == pytest.approx(-oracle(lm, stands_for)[1].sum(), rel=1e-5)
    assert (found.tokens, found.chars) == (len(stands_for) + 1, len(stands_for) + 1)


@pytest.mark.parametrize(
    "tokenizer",
    [CharTokenizer.tiny(), ByteTokenizer(boundary=False), mini_tokenizer([CORPUS])],
    ids=lambda tokenizer: tokenizer.kind,
)
@pytest.mark.parametrize("documents", ["file", "lines"])
def test_without_an_end_symbol_each_document_counts_from_its_first_full_context(
    tokenizer, documents, monkeypatch
):
    lm = model_of(tokenizer, documents, context=3)
    texts = ["The cat sat on a mat", "a", "the dog\nsaw it the cat on 3", "", "and the dog saw"]
    for found, text in zip(lm.score(texts), texts, strict=True):
        parts = text.split("\n") if documents == "lines" else [text]
        losses = np.concatenate([oracle(lm, part)[1] for part in parts])
        assert found.log_prob == pytest.approx(-losses.sum(), rel=1e-5)
        assert found.tokens == losses.size
        if found.tokens:
            expected = lm.evaluate(text)
            assert (found.chars, found.bytes) == (expected.chars, expected.bytes)
        else:
            assert (found.chars, found.bytes) == (0, 0)
            assert math.isnan(found.perplexity)
    expected = list(lm.score(texts))
    monkeypatch.setattr(batching, "PART_CHARS", 2)
    assert list(lm.score(texts, batch_chars=2)) == expected
    with pytest.raises(ConfigError, match="no boundary token"):
        lm.score(texts, count_end=True)


def test_figures_are_those_of_their_formulae():
    log2 = math.log(2)
    found = Score(-8 * log2, tokens=4, oov=1, log_prob_without_oov=-3 * log2, chars=10, bytes=20)
    assert found.perplexity == pytest.approx(4)
    assert found.perplexity_without_oov == pytest.approx(2)
    assert found.bits_per_char == pytest.approx(0.8)
    assert found.bits_per_byte == pytest.approx(0.4)
    assert found.to_dict() == {
        "log_prob": found.log_prob,
        "tokens": 4,
        "oov": 1,
        "log_prob_without_oov": found.log_prob_without_oov,
        "chars": 10,
        "bytes": 20,
        "perplexity": found.perplexity,
        "perplexity_without_oov": found.perplexity_without_oov,
        "bits_per_char": found.bits_per_char,
        "bits_per_byte": found.bits_per_byte,
    }


def test_figures_of_nothing_and_beyond_float64():
    nothing = Score(0.0, tokens=0, oov=0, log_prob_without_oov=0.0, chars=0, bytes=0)
    assert all(math.isnan(value) for value in (nothing.perplexity, nothing.bits_per_char))
    assert nothing.to_dict()["perplexity"] is None
    absurd = Score(-1000.0, tokens=1, oov=1, log_prob_without_oov=0.0, chars=1, bytes=1)
    assert absurd.perplexity == math.inf
    assert math.isnan(absurd.perplexity_without_oov)
    assert absurd.to_dict()["perplexity"] is None


@pytest.mark.parametrize("documents", ["file", "lines"])
def test_arrays_hold_the_same_scores(documents):
    lm = make_model(documents=documents)
    texts = [text for text in TEXTS if text != "\0"]  # NumPy drops zeros at the end of a str
    arrays = lm.score_arrays(np.array(texts))
    scores = list(lm.score(texts))
    assert arrays.log_prob.dtype == arrays.log_prob_without_oov.dtype == np.float64
    assert arrays.tokens.dtype == arrays.oov.dtype == arrays.chars.dtype == np.int64
    for name in (
        "log_prob",
        "tokens",
        "oov",
        "chars",
        "bytes",
        "perplexity",
        "perplexity_without_oov",
        "bits_per_char",
    ):
        expected = [getattr(score, name) for score in scores]
        np.testing.assert_allclose(getattr(arrays, name), expected, rtol=1e-12)
    np.testing.assert_array_equal(arrays.log_prob, [score.log_prob for score in scores])
    assert lm.score_arrays([]).log_prob.shape == (0,)


def test_tokens_and_their_log_probabilities():
    lm = make_model("word", documents="lines")
    (found,) = lm.score(["the cat saw fish"], return_tokens=True)
    assert found.token_strings == ["the", "cat", "saw", "<unk>", "<end>"]
    ids, losses = oracle(lm, "the cat saw fish")
    np.testing.assert_array_equal(found.token_ids, ids)
    assert found.token_log_probs.dtype == np.float32
    np.testing.assert_allclose(found.token_log_probs, -losses, rtol=1e-5)
    assert found.token_log_probs.astype(np.float64).sum() == pytest.approx(found.log_prob, rel=1e-6)
    assert found[:6] == next(lm.score(["the cat saw fish"]))[:6]
    assert next(lm.score(["the cat"])).token_ids is None
    form = found.to_dict()
    assert form["token_strings"] == found.token_strings
    assert form["token_log_probs"] == found.token_log_probs.tolist()


@pytest.mark.parametrize("count_end", [False, True])
def test_tokens_of_texts_in_parts_are_those_of_the_whole(monkeypatch, count_end):
    lm = make_model(documents="lines")
    texts = ["the cat\nsat", "", "on a mat and the dog", "\n"]
    expected = list(lm.score(texts, return_tokens=True, count_end=count_end))
    monkeypatch.setattr(batching, "PART_CHARS", 3)
    found = lm.score(texts, return_tokens=True, count_end=count_end, batch_chars=3)
    for one, other in zip(found, expected, strict=True):
        assert one[:6] == other[:6]
        assert one.token_strings == other.token_strings
        np.testing.assert_array_equal(one.token_log_probs, other.token_log_probs)


# ---------------------------------------------------------------------------- what comes in


def test_results_come_while_texts_are_read():
    lm = make_model()
    read = []

    def source():
        for number in range(100):
            read.append(number)
            yield "the cat"

    scores = lm.score(source(), batch_chars=20)
    assert read == []
    next(scores)
    assert len(read) == 3
    next(scores)
    assert len(read) == 3
    assert len(list(scores)) == 98


def test_no_texts_no_scores():
    assert list(make_model().score([])) == []
    assert list(make_model().score(iter(()))) == []


def test_a_text_that_is_no_text_is_named_after_the_scores_before_it():
    lm = make_model()
    for bad, name in ((None, "NoneType"), (b"cat", "bytes"), (float("nan"), "float")):
        scores = lm.score(["the", "cat", bad, "sat"])
        assert [next(scores).tokens, next(scores).tokens] == [3, 3]
        with pytest.raises(TextError, match=f"text 2: {name}, not str; ") as caught:
            next(scores)
        assert caught.value.index == 2
    with pytest.raises(TextError, match="text 0: int"):
        lm.score_arrays([3])


@pytest.mark.parametrize("kind", ["char", "byte", "word"])
def test_a_lone_surrogate_is_named_after_the_scores_before_it(kind):
    lm = make_model(kind)
    scores = lm.score(["the cat", "", "on", "a\ud800b", "mat"], batch_chars=1000)
    assert len([next(scores) for _ in range(3)]) == 3
    with pytest.raises(
        TextError, match=r"^text 3: the text holds a lone surrogate U\+D800 at .* 1"
    ):
        next(scores)


def test_text_that_the_vocabulary_lacks_where_there_is_no_unk():
    lm = model_of(mini_tokenizer([CORPUS]), context=2)
    scores = lm.score(["the cat sat on", "the fish sat", "the"])
    assert next(scores).tokens == 2
    with pytest.raises(TextError, match="text 1: 'fish' is not among"):
        next(scores)


def test_a_bad_part_of_a_long_text_is_told(monkeypatch):
    monkeypatch.setattr(batching, "PART_CHARS", 5)
    lm = make_model()
    scores = lm.score(["the", "the cat sat on \ud800 mat"], batch_chars=5)
    next(scores)
    with pytest.raises(TextError, match=r"text 1: .* part that begins with '\\ud800 "):
        list(scores)
    with pytest.raises(TextError, match=r"text 0: .* begins with '\\ud800b'"):
        list(make_model(documents="lines").score(["a\n\ud800b"]))


def test_an_exception_of_the_source_comes_after_the_scores_before_it():
    def source():
        yield "the cat"
        raise OSError("gone")

    scores = make_model().score(source())
    assert next(scores).tokens == 7
    with pytest.raises(OSError, match="gone"):
        next(scores)


def test_one_text_is_one_text():
    lm = make_model()
    assert list(lm.score("the cat")) == list(lm.score(["the cat"]))


@pytest.mark.parametrize("texts", [b"the cat", None, 5])
def test_what_are_no_texts(texts):
    with pytest.raises(TokenizerError, match=r"put it in a list|pass a list"):
        make_model().score(texts)
    with pytest.raises(TokenizerError, match=r"put it in a list|pass a list"):
        make_model().score_arrays(texts)


@pytest.mark.parametrize("setting", [{"threads": 0}, {"threads": True}, {"batch_chars": 0}])
def test_settings_are_checked_at_the_call(setting):
    (name, value) = next(iter(setting.items()))
    with pytest.raises(ConfigError, match=f"{name} is {value!r}"):
        make_model().score(["the cat"], **setting)


def test_text_of_another_script_is_all_oov():
    (found,) = make_model().score(["это кот"])
    assert (found.tokens, found.oov) == (7, 6)
    (found,) = make_model("word").score(["это кот"])
    assert found.oov == found.tokens == 2
    assert found.log_prob < 0
    assert found.log_prob_without_oov == 0
    assert math.isnan(found.perplexity_without_oov)


def test_a_model_out_of_range_is_refused():
    lm = make_model()
    lm.params[:] = 3e38
    with np.errstate(all="ignore"), pytest.raises(TrainingError, match="loss on text 0 is "):
        list(lm.score(["the cat"]))
