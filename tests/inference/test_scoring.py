"""Is the score of each text that of the definition, whatever stands around it?"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.api.language_model import LanguageModel
from fastlm.config import ModelConfig
from fastlm.engine import losses as first_layer
from fastlm.errors import ConfigError, TextError, TokenizerError, TrainingError
from fastlm.inference import batching
from fastlm.inference.scoring import Score
from fastlm.model.layout import Layout
from fastlm.tokenizers import ByteTokenizer, CharTokenizer, build_tokenizer
from fastlm_kernels.runtime.jit import JIT_DISABLED
from tests import naive
from tests.tokenizers.samples import mini_tokenizer

CORPUS = "the cat sat on a mat\nand the dog\n\nsaw it: 3.14!\n"
TEXTS = ["the cat", "", "on thé mat", "q", "a fat\tcat sat on the mat", "\0", " ", "猫 the"]


def make_model(kind="char", documents="file", seed=0, **shape) -> LanguageModel:
    """A model with random weights."""
    return model_of(build_tokenizer(kind, [CORPUS]), documents, seed, **shape)


def model_of(tokenizer, documents="file", seed=0, **shape) -> LanguageModel:
    config = ModelConfig(
        vocab=tokenizer.vocab_size,
        boundary=tokenizer.boundary_id,
        **({"context": 5, "embed": 12, "hidden": (8,)} | shape),
    )
    rng = np.random.default_rng(seed)
    params = rng.normal(0, 0.5, Layout(config).size).astype(np.float32)
    return LanguageModel(config, params, tokenizer, documents=documents)


def oracle(lm: LanguageModel, document: str) -> tuple[np.ndarray, np.ndarray]:
    """(ids, -log p) of one document's tokens and of its boundary token, in float64."""
    config, tokenizer = lm.config, lm.tokenizer
    shape = naive.NaiveConfig(
        vocab=config.vocab,
        context=config.context,
        embed=config.embed,
        hidden=config.hidden,
        combine=config.combine,
        bias=config.bias,
        far=config.far,
        cutoffs=config.cutoffs,
    )
    tensors = naive.split(lm.params.astype(np.float64), shape)
    boundary = -1 if config.boundary is None else config.boundary
    ids = tokenizer.encode_documents([document]).astype(np.int64)
    positions = np.arange(naive.first_target(config.span, boundary), len(ids))
    return ids[positions], naive.nll_of_positions(tensors, shape, ids, positions, boundary)


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
    for name in (*arrays._fields, "perplexity", "perplexity_without_oov", "bits_per_char"):
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


# ---------------------------------------------------------------------------- the same numbers

CHARACTERS = st.sampled_from("the catsond.\n 猫\0")
MODELS = [
    make_model(kind, documents, **shape)
    for kind in ("char", "word", "byte")
    for documents in ("file", "lines")
    for shape in (
        {},
        {"combine": "mean", "context": 2, "hidden": (9, 8)},
        {"far": (2, 5), "cutoffs": (4, 8)},
    )
]


@given(
    st.sampled_from(MODELS),
    st.lists(st.text(CHARACTERS, max_size=30), max_size=12),
    st.integers(1, 60),
    st.integers(1, 3),
    st.integers(1, 40),
)
@settings(deadline=None, max_examples=10 if JIT_DISABLED else 60)
def test_batches_pieces_and_threads_change_no_bit(lm, texts, batch_chars, threads, piece):
    expected = [next(lm.score([text], threads=1)) for text in texts]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batching, "PART_CHARS", piece)
        patch.setattr(first_layer, "_TILES_PER_THREAD", 1)
        found = list(lm.score(texts, batch_chars=batch_chars, threads=threads))
    if JIT_DISABLED:
        # With JIT off NumPy multiplies, whose rows depend on each other's number.
        np.testing.assert_allclose(
            [score[0] for score in found], [score[0] for score in expected], rtol=1e-6
        )
        assert [score[1:3] for score in found] == [score[1:3] for score in expected]
    else:
        assert found == expected


def test_many_tiles_and_threads_change_no_bit():
    lm = make_model(context=16, embed=24, hidden=(32, 16))
    rng = np.random.default_rng(1)
    count = 8 if JIT_DISABLED else 40
    texts = ["".join(rng.choice(list(CORPUS), 40 * n % 701)) for n in range(count)]
    expected = lm.score_arrays(texts, threads=1)
    for found in (lm.score_arrays(texts, threads=3), lm.score_arrays(iter(texts), threads=2)):
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_table_and_the_product_agree(monkeypatch):
    lm = make_model(context=9, embed=24, hidden=(40,))
    assert first_layer.table_size(lm.config) == lm.config.vocab
    by_table = lm.score_arrays(TEXTS).log_prob
    monkeypatch.setattr(first_layer, "table_size", lambda model: 0)
    by_product = lm.score_arrays(TEXTS).log_prob
    assert (by_table != by_product).any()
    np.testing.assert_allclose(by_table, by_product, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("rows", [10, 11, 17])
def test_a_table_of_a_few_tokens_gives_the_same_bits(monkeypatch, rows):
    """A table that is full ends its part of the text."""
    lm = make_model(context=9, embed=24, hidden=(40,))
    expected = lm.score_arrays(TEXTS)
    monkeypatch.setattr(first_layer, "table_size", lambda model: rows)
    found = lm.score_arrays(TEXTS)
    if JIT_DISABLED:  # NumPy's products of other numbers of rows may differ in their last bits
        np.testing.assert_allclose(found.log_prob, expected.log_prob, rtol=1e-6)
    else:
        np.testing.assert_array_equal(found.log_prob, expected.log_prob)


def test_changed_parameters_change_the_scores():
    lm = make_model()
    before = next(lm.score(["the cat"])).log_prob
    lm.tensors["embeddings"][:] *= 2
    changed = next(lm.score(["the cat"])).log_prob
    assert changed != before
    assert changed == pytest.approx(-oracle(lm, "the cat")[1][:-1].sum(), rel=1e-5)
    lm.tensors["output.weight"][:] *= 2
    assert next(lm.score(["the cat"])).log_prob != changed


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


@pytest.mark.parametrize("texts", ["the cat", b"the cat", None, 5])
def test_one_text_in_place_of_several(texts):
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


# ---------------------------------------------------------------------------- the next token


@pytest.mark.parametrize("prompt", ["", "the c", "q"])
def test_next_token_distribution(prompt):
    lm = make_model()
    distribution = lm.next_token_distribution(prompt)
    assert distribution.dtype == np.float64
    assert distribution.sum() == pytest.approx(1, abs=1e-12)
    (found,) = lm.score([prompt + "a"], return_tokens=True)
    assert math.log(distribution[lm.tokenizer.id_of("a")]) == pytest.approx(
        found.token_log_probs[-1], rel=1e-5
    )


def test_top_k():
    lm = make_model()
    distribution = lm.next_token_distribution("the ")
    best = lm.top_k("the ", 3)
    assert [p for _, p in best] == sorted(distribution, reverse=True)[:3]
    assert distribution[lm.tokenizer.id_of(best[0][0])] == best[0][1]
    assert len(lm.top_k("the ", 10**6)) == lm.config.vocab
    for k in (0, -1, 1.5, True):
        with pytest.raises(ConfigError, match="k is"):
            lm.top_k("the ", k)
