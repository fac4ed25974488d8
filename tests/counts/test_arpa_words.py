from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlm.counts.arpa_words import token_of, word_of, words_of
from fastlm.tokenizers.vocabulary import Vocabulary


@pytest.mark.parametrize(
    ("token", "word"),
    [
        ("cat", "cat"),
        (" ", r"\s"),
        ("\n", r"\n"),
        ("\t\r", r"\t\r"),
        ("a b", r"a\sb"),
        ("\u00a0", r"\u{a0}"),
        ("\0", r"\u{0}"),
        ("\\", r"\\"),
        (r"\s", r"\\s"),
        ("<s>", r"\<s>"),
        ("<UNK>", r"\<UNK>"),
        ("é", "é"),
    ],
)
def test_tokens_are_words_without_white_space(token: str, word: str) -> None:
    assert word_of(token) == word
    assert token_of(word) == token


@given(
    st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from("\\<>{}usn /"), min_size=1)
)
def test_every_token_comes_back(token: str) -> None:
    word = word_of(token)
    assert word.split() == [word]
    assert token_of(word) == token
    assert word.lower() not in ("<s>", "</s>", "<unk>")


@given(st.text(st.sampled_from("\\ abu{}<s1\n")), st.text(st.sampled_from("\\ abu{}<s1\n")))
def test_no_two_tokens_are_the_same_word(one: str, other: str) -> None:
    assert (word_of(one) == word_of(other)) == (one == other)


@pytest.mark.parametrize("word", [r"C:\dir", "\\", r"\u{110000}", r"\u{}"])
def test_a_backslash_of_another_program_stays(word: str) -> None:
    assert token_of(word) == word


def test_special_tokens_have_words_of_their_own() -> None:
    vocabulary = Vocabulary.from_symbols(["a", "</s>"], boundary=True, unk=True)
    assert words_of(vocabulary, vocabulary.boundary_id) == ["</s>", "<unk>", "a", r"\</s>"]
