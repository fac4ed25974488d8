"""Where spaces stand beside symbols, learned from text."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.errors import TokenizerError
from fastlm.tokenizers import build_tokenizer, tokenizer_from_dict
from fastlm.tokenizers.words.detokenize import detokenize
from fastlm.tokenizers.words.spacing import MOST_PAIRS, learn_spacing, spacing_form
from fastlm.tokenizers.words.word_pattern import word_pattern

from ..samples import WORDY_TEXTS


@pytest.mark.parametrize(
    "text",
    [
        "यह घर है। वह काम है। क्या है?",
        "هذا بيت، وهذا كتاب؛ هل هذا بيت؟ نعم.",
        "ሰላም። ይህ ቤት ነው፣ ያ ነው። ቤት፣ ሰላም።",
        "단어(x)는 단어(y)와 같다. 단어(z).",
        "#tag @me #you @him and #x @y",
        "a.b/c?d=e x.y/z?q=r&s=t&u=v",
        "if (a == b) { c += d; } x->y",
        "👍🏽 🇩🇪 ok 👍🏽 🇩🇪",
        "Vraiment ? Oui, oui ! Non, non ! Ah, si. Ah ? Si.",
        "1,23;4,56;7,89",
    ],
)
@pytest.mark.parametrize("options", [{}, {"line_ends": True}])
def test_the_spaces_of_the_text_come_back(text: str, options: Any) -> None:
    tokenizer = build_tokenizer("word", [f"{text}\n" * 5], **options)
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer_from_dict(tokenizer.to_dict()).to_dict() == tokenizer.to_dict()


def test_joiners_are_lost_but_no_spaces_come_in() -> None:
    family = "👨\u200d👩\u200d👧"
    tokenizer = build_tokenizer("word", [f"{family} here " * 5])
    assert tokenizer.decode(tokenizer.encode(family)) == family.replace("\u200d", "")


def test_nothing_is_learned_where_the_rules_are_right_or_the_text_says_nothing() -> None:
    prose = "He said: \"Don't, the boys' well-known (old) cat is 3.14 m long.\" She didn't.\n\n"
    assert learn_spacing(prose * 20) == {}
    tokenized = "The cat , which sat ( on a mat ) , said : so . And so did it .\n"
    assert learn_spacing(tokenized * 20) == {}
    assert learn_spacing("") == {}


def test_what_the_text_writes_both_ways_is_left_to_the_rules() -> None:
    spaced, tight = "a * b\n\n", "a*b\n\n"
    assert learn_spacing(spaced + tight * 8) == {}  # nine in ten at least
    assert learn_spacing(spaced + tight * 9) == {("word", "*"): False, ("*", "word"): False}
    assert learn_spacing(tight * 4) == {}  # too few to tell


def test_an_open_quote_does_not_spoil_the_paragraphs_after_it() -> None:
    assert learn_spacing('He said "no.\n\n' + 'A "b" c.\n\n' * 20) == {}


def test_upper_case_and_the_other_pattern() -> None:
    assert learn_spacing("A=B " * 5, lowercase=True) == learn_spacing("a=b " * 5)
    assert learn_spacing("a=b " * 5, pattern="mini") == learn_spacing("a=b " * 5)


def test_it_changes_no_id_and_no_fingerprint() -> None:
    text = "a=b c=d " * 5
    learned = build_tokenizer("word", [text])
    form = learned.to_dict()
    assert form.pop("spacing") == {"spaced": [], "tight": [["=", "word"], ["word", "="]]}
    plain = tokenizer_from_dict(form)
    assert plain == learned
    assert plain.to_dict() != learned.to_dict()
    assert plain.fingerprint() == learned.fingerprint()
    assert np.array_equal(plain.encode(text), learned.encode(text))
    assert plain.decode(plain.encode("a=b")) == "a = b"  # as files of older versions do


def test_only_the_beginning_of_a_text_is_looked_at() -> None:
    tokenizer = build_tokenizer("word", ["a=b " * 100_000, "a = b " * 1_000_000])
    assert tokenizer.decode(tokenizer.encode("a = b")) == "a=b"


@pytest.mark.parametrize(
    "form",
    [
        [],
        {"spaced": []},
        {"spaced": [], "tight": [], "x": []},
        {"spaced": {}, "tight": []},
        {"spaced": [["a"]], "tight": []},
        {"spaced": [["a", 1]], "tight": []},
        {"spaced": ["ab"], "tight": []},
        {"spaced": [], "tight": [["word", str(n)] for n in range(MOST_PAIRS + 1)]},
    ],
)
def test_other_forms_are_refused(form: Any) -> None:
    whole = build_tokenizer("word", ["a=b" * 5]).to_dict() | {"spacing": form}
    with pytest.raises(TokenizerError, match="spac") as error:
        tokenizer_from_dict(whole)
    assert len(str(error.value)) < 200


@given(WORDY_TEXTS, st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=100)
def test_whatever_is_learned_splitting_gives_the_tokens_back(
    text: str, random_: random.Random
) -> None:
    for pattern in ("unicode", "mini"):
        split = word_pattern(pattern, False)
        tokens = split.findall(text)
        sides = ["word", "number", "mark", "unspaced", *tokens]
        learned = {
            (random_.choice(sides), random_.choice(sides)): random_.random() < 0.5
            for _ in range(50)
        }
        assert split.findall(detokenize(tokens, pattern, learned)) == tokens
        assert spacing_form(learned)["spaced"] == sorted([*p] for p, s in learned.items() if s)
