"""Where the spaces go."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.tokenizers import build_tokenizer
from fastlm.tokenizers.words.detokenize import detokenize
from fastlm.tokenizers.words.word_pattern import word_pattern

from ..samples import SAMPLES, WORDY_TEXTS


@pytest.mark.parametrize(
    "text",
    [
        "Hello, world! How are you? Fine; thanks: yes.",
        "An aside (in [square] {curly} brackets), and so on…",
        'He said "yes" and "no, never."',
        '"Start," he said.',
        "Say “yes” or ‘no’ now.",
        "He said: 'Yes, I don't know.' Then he left.",
        "I don't, you're, we've, he'd, she'll, I'm, it's.",
        "I don’t know the boys’ names.",
        "the boys' books and James' hat",
        "s'il l'homme d'Artagnan O'Brien rock'n'roll",
        "a well-known, state-of-the-art thing",
        "stop -- and go",
        "one—two",
        "1990–1995, but Monday – Friday",
        "pi is 3.14, or 1,000 at 10:30",
        "In 1990, 20 people came.",
        "x = -5 and y = 7",
        "50% of $20 and #3, 20°",
        "and/or snake_case me@home C:\\temp",
        "“Oh” — 3-4",
        "¿Qué? ¡No!",
        "„Ja“ sagte er",
        "a & b + c = d",
        "- item",
        "第三章：我用Python写程序，很好。",
        "カタカナとひらがな、コーヒー2杯。",
        "ที่นี่ประเทศไทย",
        "한국어를 배우고 있어요.",
        "❤️ heart",
        "",
        ".",
    ],
)
def test_ordinary_text_comes_back(text: str) -> None:
    assert detokenize(word_pattern("unicode", False).findall(text)) == text


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        ("don ' t", "don't"),
        ("well - known", "well-known"),
        ("so - - then", "so -- then"),
        ('" a " b " c "', '"a" b "c"'),
        ("a <unk> , b", "a <unk>, b"),
    ],
)
def test_stated_rules(tokens: str, text: str) -> None:
    assert detokenize(tokens.split()) == text


def test_tokens_that_would_be_read_as_one_stay_apart() -> None:
    assert detokenize(["a", "\u0301b"]) == "a \u0301b"
    assert detokenize(["第", "\u0301b"]) == "第 \u0301b"
    assert detokenize(["第", "章"], "mini") == "第 章"
    assert detokenize(["_", "a"], "mini") == "_ a"


@pytest.mark.parametrize("text", SAMPLES.values(), ids=SAMPLES)
def test_ids_survive_decoding_and_encoding(text: str) -> None:
    tokenizer = build_tokenizer("word", SAMPLES.values())
    ids = tokenizer.encode(text)
    assert np.array_equal(tokenizer.encode(tokenizer.decode(ids)), ids)


@pytest.mark.parametrize("pattern", ["unicode", "mini"])
@pytest.mark.parametrize("lowercase", [False, True])
@given(text=WORDY_TEXTS, data=st.data())
@settings(deadline=None, max_examples=100)
def test_any_ids_survive_decoding_and_encoding(
    pattern: str, lowercase: bool, text: str, data: st.DataObject
) -> None:
    tokenizer = build_tokenizer(
        "word", [text, "it ' s 10 , 000 . - \" 第 \u0301x"], pattern=pattern, lowercase=lowercase
    )
    ids = data.draw(st.lists(st.integers(2, tokenizer.vocab_size - 1), max_size=30))
    assert tokenizer.encode(tokenizer.decode(ids)).tolist() == ids
