"""Texts under conditions: those of the same seed that meet them, in order, or an error in time."""

from __future__ import annotations

import itertools

import pytest

import fastlm
from fastlm.errors import ConfigError, SamplingError
from fastlm.inference import conditions
from fastlm.model.remembered import Remembered
from fastlm.tokenizers import build_tokenizer
from tests.inference.models import make_model, model_of


def plain(lm, seed=3):
    return lm.samples(seed=seed, length=12)


LINES = make_model(documents="lines")


@pytest.mark.parametrize(
    ("given", "meets"),
    [
        ({"min_chars": 6}, lambda text: len(text) >= 6),
        ({"max_chars": 4}, lambda text: len(text) <= 4),
        ({"contains": "a"}, lambda text: "a" in text),
        (
            {"min_chars": 2, "max_chars": 9, "contains": "t"},
            lambda t: 2 <= len(t) < 10 and "t" in t,
        ),
    ],
)
def test_they_are_the_texts_of_the_seed_that_meet_the_conditions(given, meets):
    expected = list(itertools.islice(filter(meets, plain(LINES)), 20))
    how = {"seed": 3, "length": 12, **given}
    assert LINES.sample(20, **how) == expected
    assert list(LINES.samples(20, threads=2, **how)) == expected
    assert list(itertools.islice(LINES.samples(**how), 20)) == expected


def test_unique_texts_are_the_first_of_each():
    lm = make_model(documents="lines")
    expected = list(itertools.islice(dict.fromkeys(lm.samples(1000, seed=1, length=2)), 30))
    assert lm.sample(30, unique=True, seed=1, length=2) == expected


@pytest.mark.parametrize("kind", ["char", "byte", "word"])
def test_texts_that_start_so(kind):
    lm = make_model(kind, "lines")
    found = lm.sample(8, starts="the ", seed=1, length=9)
    assert all(text.startswith("the ") for text in found)
    if kind != "word":
        assert found == lm.sample(8, "the ", seed=1, length=9)
    assert lm.sample(2, "the c", starts="the", seed=1) == lm.sample(2, "the c", seed=1)


def test_new_texts_have_no_line_that_is_remembered():
    lm = make_model(documents="lines")
    texts = lm.sample(300, seed=1, length=2)
    known = set(texts[::3])
    ids = lm.tokenizer.encode_documents(known)
    lm.remembered = Remembered.of([ids], [lm.tokenizer.boundary_id])
    expected = [text for text in texts if text not in known and text.strip()]
    assert len(expected) > 50
    assert lm.sample(len(expected), new=True, seed=1, length=2) == expected


def test_of_whole_files_each_line_must_be_new():
    tokenizer = build_tokenizer("char", ["ab\n"])
    lm = model_of(tokenizer)
    lm.remembered = Remembered.of(
        [tokenizer.encode("a\nb\n")], conditions.line_ends(tokenizer, "file")
    )
    for text in lm.sample(20, new=True, seed=1, length=6):
        assert not {"a", "b"} & set(text.split("\n"))
        assert text.strip()


def test_what_cannot_be_made_ends(monkeypatch):
    lm = make_model(documents="lines")
    monkeypatch.setattr(conditions, "_FEWEST_TRIES", 500)
    monkeypatch.setattr(conditions, "_TRIES_EACH", 1)
    long = {"min_chars": 9, "contains": "t", "length": 10, "seed": 1}
    with pytest.raises(SamplingError, match=r"^\d+ of 1,000 after 1,000 tries; ask for") as caught:
        lm.sample(1000, **long)
    found = caught.value.texts
    assert str(caught.value).startswith(f"{len(found)} of 1,000")
    texts = []
    with pytest.raises(SamplingError):
        texts.extend(lm.samples(1000, **long))
    with pytest.raises(SamplingError, match="none after 500 tries"):
        list(lm.samples(contains="the cat sat", length=3))
    assert found


def test_the_number_of_tries():
    assert (conditions._FEWEST_TRIES, conditions._TRIES_EACH) == (10_000, 100)


def test_max_chars_cuts_texts_that_never_end_by_themselves():
    lm = make_model()
    assert {len(text) for text in lm.sample(5, max_chars=7, seed=1)} == {7}
    assert {len(text) for text in lm.sample(5, "the", max_chars=7, seed=1)} == {7}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"new": True}, "does not remember them; train it with remember=True"),
        ({"new": 1}, "new is 1; give True or False"),
        ({"min_chars": -1}, "min_chars is -1"),
        ({"max_chars": 0}, "max_chars is 0"),
        ({"min_chars": 5, "max_chars": 4}, "max_chars is 4, but the other conditions need 5"),
        ({"starts": "the cat", "max_chars": 4}, "need 7 characters"),
        ({"min_chars": 40, "length": 30}, "min_chars is 40, but length allows 30 new"),
        ({"starts": 3}, "starts is 3; give text"),
        ({"contains": "Ω"}, "'Ω' is not in the model's vocabulary"),
        ({"starts": "dog", "prompt": "cat"}, "no text begins with 'cat' and 'dog'"),
        ({"unique": True, "greedy": True}, "always writes the same text"),
        ({"unique": True, "temperature": 0}, "always writes the same text"),
        ({"uniqe": True}, "unknown setting 'uniqe'; did you mean 'unique'"),
        ({"min_char": 3}, "did you mean 'min_chars'"),
    ],
)
def test_what_no_text_meets_is_refused_at_once(given, message):
    with pytest.raises(ConfigError, match=message):
        LINES.samples(3, **given)


def test_a_sampling_error_can_be_pickled():
    import pickle

    error = pickle.loads(pickle.dumps(fastlm.SamplingError("1 of 2", ["a"])))
    assert (str(error), error.texts) == ("1 of 2", ["a"])


def test_what_ends_a_line():
    assert conditions.line_ends(build_tokenizer("char", ["a\n"]), "file") != []
    assert conditions.line_ends(build_tokenizer("char", ["ab"]), "file") == []
    words = build_tokenizer("word", ["a b"])
    assert conditions.line_ends(words, "file") == []
    assert conditions.line_ends(words, "lines") == [words.boundary_id]
    assert len(conditions.line_ends(build_tokenizer("byte"), "file")) == 2
