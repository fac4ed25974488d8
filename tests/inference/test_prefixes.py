"""ln p(text | prefix) is the difference of two scores, whatever the tokenizer makes of the seam."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.errors import ConfigError, TextError, TokenizerError
from fastlm.inference import batching, prefixes
from fastlm.tokenizers import ByteTokenizer, CharTokenizer, build_tokenizer
from tests.inference.mixtures import KINDS, make_mixture
from tests.inference.models import CORPUS, make_model, model_of
from tests.tokenizers.samples import mini_tokenizer

PAIRS = [
    ("the cat", " sat"),
    ("the c", "at sat on"),
    ("the ", "cat"),
    ("", "the cat"),
    ("the cat", ""),
    ("", ""),
    ("zq 猫", "猫 the"),
    ("the cat sat on a mat and the dog saw it " * 9, "and the cat"),
    ("3.", "14!"),
]


def difference(lm, prefix, text, count_end=None):
    """By the definition, of one document each."""
    (whole,) = lm.score([prefix + text], count_end=count_end)
    (before,) = lm.score([prefix], count_end=False)
    return whole.log_prob - before.log_prob


def encodes(lm, text):
    try:
        lm.tokenizer.encode(text)
    except TokenizerError:
        return False
    return True


WORDS = build_tokenizer("word", [CORPUS + "cat sat the . a"], min_count=2)  # has <unk>

TOKENIZED = [
    make_model("char"),
    make_model("word", far=(3, 9)),
    model_of(WORDS),
    make_model("whitespace"),
    make_model("byte"),
    model_of(CharTokenizer.tiny()),
    model_of(ByteTokenizer(boundary=False)),
    model_of(mini_tokenizer([CORPUS])),
    *map(make_mixture, KINDS),
]


@pytest.mark.parametrize("lm", TOKENIZED, ids=repr)
@pytest.mark.parametrize("count_end", [None, False])
def test_it_is_the_difference_of_two_scores(lm, count_end):
    known = [(p, t) for p, t in PAIRS if encodes(lm, p) and encodes(lm, p + t)]
    assert len(known) > 3
    before, texts = zip(*known, strict=True)
    found = list(lm.score(texts, prefixes=before, count_end=count_end))
    for (prefix, text), score in zip(known, found, strict=True):
        expected = difference(lm, prefix, text, count_end)
        assert score.log_prob == pytest.approx(expected, abs=1e-9), (prefix, text)
        if lm.tokenizer.boundary_id is not None:
            end = 1 if lm.documents == "lines" and count_end is None else 0
            assert score.chars == len(text) + end
            assert score.bytes == len(text.encode()) + end


ALPHABET = st.text("ab c.\nd", max_size=12)


@pytest.mark.parametrize("kind", ["char", "word", "byte"])
@pytest.mark.parametrize("documents", ["file", "stream"])
@given(prefix=ALPHABET, text=ALPHABET)
@settings(max_examples=40, deadline=None)
def test_it_is_the_difference_of_two_scores_of_any_text(kind, documents, prefix, text):
    lm = model_of(WORDS, documents) if kind == "word" else make_model(kind, documents)
    if documents == "stream":
        text += "."
        if not prefix.endswith("\n"):
            return  # by itself it would get a line end
    (score,) = lm.score([text], prefixes=[prefix])
    assert score.log_prob == pytest.approx(difference(lm, prefix, text), abs=1e-9)


def test_a_text_of_several_lines_after_the_line_that_is_open():
    lm = make_model(documents="lines")
    (found,) = lm.score([" sat\na mat\n"], prefixes="no such line\nthe cat")
    sums = [difference(lm, "the cat", " sat"), next(lm.score(["a mat"])).log_prob]
    assert found.log_prob == pytest.approx(sum(sums), abs=1e-9)
    (begun,) = lm.score(["a mat"], prefixes="the cat\n")
    assert begun == next(lm.score(["a mat"]))
    (ended,) = lm.score([""], prefixes="the cat")
    assert (ended.tokens, ended.chars) == (1, 1)
    assert ended.log_prob == pytest.approx(lm.step(lm.start("the cat"), "<end>")[0], rel=1e-5)


def test_one_prefix_is_for_all_texts_and_arrays_agree():
    lm = make_model(documents="lines")
    texts = ["cat", "", "dog saw"]
    found = list(lm.score(texts, prefixes="the "))
    assert found == list(lm.score(texts, prefixes=["the "] * 3))
    arrays = lm.score_arrays(texts, prefixes="the ")
    assert arrays.log_prob.tolist() == [score.log_prob for score in found]
    assert arrays.tokens.tolist() == [4, 1, 8]
    assert [score.log_prob for score in lm.score(texts, prefixes="")] == [
        score.log_prob for score in lm.score(texts)
    ]


def test_the_tokens_are_those_after_the_prefix():
    lm = model_of(WORDS)
    (score,) = lm.score(["cat  sat the"], prefixes="the ", return_tokens=True)
    assert score.token_strings == ["cat", "sat", "the"]
    assert score.token_offsets.tolist() == [[0, 3], [5, 8], [9, 12]]
    assert score.token_log_probs.sum() == pytest.approx(score.log_prob, rel=1e-6)
    (score,) = lm.score(["at sat"], prefixes="the c", return_tokens=True)
    assert score.token_strings == ["cat", "sat"]  # the word at the seam is one token
    assert score.token_offsets.tolist() == [[0, 2], [3, 6]]


def test_a_word_cut_in_two_may_have_more_than_its_beginning():
    lm = make_mixture("counts", tokenizer=WORDS)
    (score,) = lm.score(["t"], prefixes="the ca", count_end=False)
    assert score.log_prob == pytest.approx(difference(lm, "the ca", "t", False), abs=1e-9)
    assert score.log_prob > 0  # "ca" is <unk>, and "cat" a word that follows


@pytest.mark.parametrize("kind", ["char", "word"])
def test_parts_and_batches_change_nothing(monkeypatch, kind):
    lm = model_of(WORDS, "lines") if kind == "word" else make_model(kind, "lines")
    texts = [" sat on a mat " * 5 + "\nand the dog", "", "ct", " the cat"]
    before = ["the cat " * 7, "a mat", "the ca", ""]
    expected = list(lm.score(texts, prefixes=before, return_tokens=True))
    monkeypatch.setattr(batching, "PART_CHARS", 8)
    for size in (1, 9, 30):
        found = list(lm.score(texts, prefixes=before, return_tokens=True, batch_chars=size))
        for one, other in zip(found, expected, strict=True):
            assert one[:6] == pytest.approx(other[:6], abs=1e-9)
            assert one.token_ids.tolist() == other.token_ids.tolist()
            assert one.token_offsets.tolist() == other.token_offsets.tolist()


def test_only_the_end_of_a_long_prefix_is_read(monkeypatch):
    for kind in ("char", "word", "whitespace", "byte"):
        lm = make_model(kind)
        seen = prefixes._seen(lm.text_model, "the cat sat on a mat " * 400)
        assert len(seen.text) < 1000
        assert seen.ids.size >= lm.text_model.span


@pytest.mark.parametrize("given", [["a"], ["a", "b", "c"], []])
def test_there_is_a_prefix_for_each_text(given):
    lm = make_model()
    with pytest.raises(ConfigError, match=r"one for each text"):
        list(lm.score(["x", "y"], prefixes=given))


def test_a_prefix_that_is_no_text_is_named():
    lm = make_model()
    with pytest.raises(TextError, match="text 1: its prefix is int"):
        list(lm.score(["a", "b"], prefixes=["a", 3]))
    with pytest.raises(TextError, match="text 0: its prefix: "):
        list(model_of(mini_tokenizer([CORPUS])).score(["a"], prefixes=["zebra"]))
    with pytest.raises(TokenizerError, match="an iterable"):
        lm.score(["a"], prefixes=3)
