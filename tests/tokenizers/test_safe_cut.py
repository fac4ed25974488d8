"""The places where a text may be cut: each part has the tokens that it has in the whole."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.tokenizers import BpeTokenizer, Tokenizer, build_tokenizer
from fastlm.tokenizers.safe_cut import cut_text, safe_cut, safe_cut_text

from .samples import SAMPLES, WORDY_TEXTS

SETTINGS = {
    "char": ("char", {}),
    "char-lower": ("char", {"lowercase": True}),
    "word": ("word", {}),
    "word-lower": ("word", {"lowercase": True}),
    "word-mini": ("word", {"pattern": "mini"}),
    "word-mini-lower": ("word", {"pattern": "mini", "lowercase": True}),
    "whitespace": ("whitespace", {}),
    "whitespace-lower": ("whitespace", {"lowercase": True}),
    "byte": ("byte", {}),
    "bpe": ("bpe", {"max_vocab": 400}),
}

EVERYTHING = (
    "  a   b\n\n\n" + "".join(SAMPLES.values()) + "\nΟΔΟΣ ΌΔΟΣ.Σ Σ\n \u00a0\n  x \t\t y    "
)

SPACED_TEXTS = st.lists(
    st.one_of(st.sampled_from([" ", "  ", " \n", "\t ", "\u00a0", "\x1c ", "Σ"]), WORDY_TEXTS),
    max_size=8,
).map("".join)
"""Text with runs of white space, and sigmas, whose lower case depends on what follows."""


def tokenizer_of(name: str, text: str) -> Tokenizer:
    """A tokenizer that knows every symbol of the text; bpe learns from the samples once."""
    kind, options = SETTINGS[name]
    if kind == "bpe":
        return learnt_bpe()
    return build_tokenizer(kind, [text, "two words"], **options)


@cache
def learnt_bpe() -> Tokenizer:
    pytest.importorskip("tokenizers")
    return build_tokenizer("bpe", [*SAMPLES.values(), EVERYTHING * 9], max_vocab=500)


@pytest.mark.parametrize("name", SETTINGS)
@given(text=SPACED_TEXTS, size=st.integers(1, 30))
@settings(deadline=None)
def test_the_parts_have_the_tokens_of_the_whole(name: str, text: str, size: int) -> None:
    tokenizer = tokenizer_of(name, text)
    for source in (tokenizer, tokenizer.kind):
        parts = list(cut_text(source, text, size))
        assert "".join(parts) == text
        assert all(len(part) >= size for part in parts[:-1])
        ids = [tokenizer.encode(part) for part in parts]
        np.testing.assert_array_equal(np.concatenate([[], *ids]), tokenizer.encode(text))


@pytest.mark.parametrize("name", SETTINGS)
def test_every_cut_is_safe(name: str) -> None:
    tokenizer = tokenizer_of(name, EVERYTHING)
    whole = tokenizer.encode(EVERYTHING).tolist()
    for source in (tokenizer, tokenizer.kind):
        cuts = {safe_cut_text(source, EVERYTHING, start) for start in range(1, len(EVERYTHING))}
        assert len(cuts) > 10
        for cut in cuts:
            head, tail = EVERYTHING[:cut], EVERYTHING[cut:]
            assert tokenizer.encode(head).tolist() + tokenizer.encode(tail).tolist() == whole, head


@pytest.mark.parametrize(
    ("name", "text", "cut"),
    [
        ("char", "naïve", 2),
        ("char-lower", "naïve one", 5),
        ("word", "one two", 3),
        ("word", "one", 3),
        ("whitespace", "ab  cd", 2),
        ("byte", "ab  cd", 2),
        ("bpe", "ab  cd", 2),
        ("bpe", "a   b c", 5),
        ("bpe", "abc\u00a0d\ne", 5),
        ("bpe", "abc \n", 3),
    ],
)
def test_the_first_place(name: str, text: str, cut: int) -> None:
    assert safe_cut_text(tokenizer_of(name, text), text, 2) == cut


def test_a_start_after_the_text() -> None:
    for name in SETTINGS:
        assert safe_cut_text(tokenizer_of(name, "ab"), "ab cd", 9) == 5


def test_library_rules_that_are_not_known_forbid_cuts() -> None:
    library = pytest.importorskip("tokenizers")
    made = library.Tokenizer(library.models.WordLevel({"a b": 0, "c": 1}, unk_token="c"))
    tokenizer = BpeTokenizer(json.loads(made.to_str()))
    assert list(cut_text(tokenizer, "a b", 1)) == ["a b"]
    assert tokenizer.encode("a b").tolist() == [0]


@pytest.mark.parametrize(
    ("kind", "options", "text", "cut"),
    [
        ("char", {}, "naïve"[:3], 4),
        ("char", {"lowercase": True}, "ab", 1),
        ("char", {"lowercase": True}, "aΣ", 0),
        ("char", {"lowercase": True}, "a Σ", 2),
        ("word", {}, "one two", 4),
        ("word", {}, "one,", 4),
        ("word", {}, "one", 0),
        ("word", {}, "第三", 3),
        ("word", {}, "第三。", 9),
        ("word", {"pattern": "mini"}, "one_", 0),
        ("word", {"pattern": "mini"}, "第三", 0),
        ("whitespace", {}, "one two,", 4),
        ("byte", {}, "ab", 2),
    ],
)
def test_the_longest_prefix(kind: str, options: dict, text: str, cut: int) -> None:
    tokenizer = build_tokenizer(kind, ["two words"], **options)
    assert safe_cut(tokenizer, "file", text.encode(), final=False) == cut
    assert safe_cut(tokenizer, "file", text.encode(), final=True) == len(text.encode())


def test_half_a_character_is_left_for_the_next_block() -> None:
    tokenizer = build_tokenizer("char", ["ab"])
    for character in "é第😀":
        data = b"ab" + character.encode()
        for size in range(3, len(data)):
            assert safe_cut(tokenizer, "file", data[:size], final=False) == 2
        assert safe_cut(tokenizer, "file", data, final=False) == len(data)


def test_a_word_longer_than_the_search_is_left_whole() -> None:
    tokenizer = build_tokenizer("word", ["two words"])
    data = b"one " + b"x" * 10_000
    assert safe_cut(tokenizer, "file", data, final=False) == 4
    assert safe_cut(tokenizer, "file", data[4:], final=False) == 0


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("a\n\nb\n", 3),
        ("a\n \t\n\u3000\u0085\n\x1c\nb\nc", 13),
        ("a\n\n\n", 4),
        ("a\n\nb\n \nc", 7),
        ("\n", 1),
        (" \nb\n", 2),
        ("\u00a0\n", 3),
        ("a\n", 0),
        ("a\n \u200b\n", 0),
        ("", 0),
    ],
)
def test_the_last_blank_line(text: str, cut: int) -> None:
    assert safe_cut("word", "paragraphs", text.encode(), final=False) == cut


def test_every_white_space_makes_a_blank_line() -> None:
    for character in map(chr, [*range(1, 0xD800), *range(0xE000, 0x11000)]):
        if character.isspace() and character not in "\n\r":
            block = f"a\n{character}\nb".encode()
            assert safe_cut("word", "paragraphs", block, final=False) == len(block) - 1
