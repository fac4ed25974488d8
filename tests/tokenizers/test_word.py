"""The `word` tokenizer: ids of words and symbols, and its patterns."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings

from fastlm.errors import TokenizerError
from fastlm.tokenizers import END, UNK, build_tokenizer, tokenizer_from_dict
from tests.tokenizers.samples import mini_tokenizer

from .oracles import naive_split
from .samples import SAMPLES, WORDY_TEXTS

MINI = re.compile(r"\w+|[^\w\s]")


def test_vocabulary_and_ids() -> None:
    tokenizer = build_tokenizer("word", ["The cat, the dog.", "the end!"])
    assert tokenizer.vocabulary.symbols == (
        END, UNK, "the", "!", ",", ".", "The", "cat", "dog", "end",
    )  # fmt: skip
    assert tokenizer.encode("the bird!").tolist() == [2, 1, 3]
    assert tokenizer.encode("<end> <unk>").tolist() == [1, 9, 1, 1, 1, 1]
    assert tokenizer.decode([2, 1, 3]) == "the <unk>!"


@given(WORDY_TEXTS)
@settings(deadline=None)
def test_ids_are_those_of_the_tokens(text: str) -> None:
    tokenizer = build_tokenizer("word", [text, "two words"])
    assert [tokenizer.token(id) for id in tokenizer.encode(text)] == naive_split(text)


@given(WORDY_TEXTS, WORDY_TEXTS)
@settings(deadline=None)
def test_documents_are_encoded_apart(one: str, two: str) -> None:
    tokenizer = build_tokenizer("word", [one, two, "two words"])
    expected = [*tokenizer.encode(one), 0, *tokenizer.encode(two), 0]
    assert tokenizer.encode_documents(iter([one, two])).tolist() == expected


def test_lowercase() -> None:
    tokenizer = build_tokenizer("word", ["The the CAT"], lowercase=True)
    assert tokenizer.vocabulary.symbols == (END, UNK, "the", "cat")
    assert tokenizer.encode("THE Cat").tolist() == [2, 3]


class TestMini:
    @given(WORDY_TEXTS)
    @settings(deadline=None)
    def test_it_cuts_as_its_expression(self, text: str) -> None:
        words = MINI.findall(f"{text} two Words".lower())
        mini = mini_tokenizer([f"{text} two Words"])
        ranked = sorted(set(words), key=lambda word: (-words.count(word), word))
        assert list(mini.vocabulary.symbols) == ranked
        ids = mini.encode(f"{text} two Words")
        assert [mini.token(id) for id in ids] == words

    def test_it_has_no_specials(self) -> None:
        mini = mini_tokenizer(["The cat. The dog"])
        assert mini.boundary_id is None
        assert mini.unk_id is None
        assert mini.vocabulary.symbols == ("the", ".", "cat", "dog")
        with pytest.raises(TokenizerError, match="'bird' is not among the 4 symbols"):
            mini.encode("The bird")

    def test_it_differs_from_the_unicode_pattern(self) -> None:
        assert "snake_case" in mini_tokenizer(["snake_case x"]).vocabulary.index

    def test_json_round_trip(self) -> None:
        mini = mini_tokenizer(["The cat_x. The dog"])
        again = tokenizer_from_dict(mini.to_dict())
        assert again == mini
        assert again.encode("CAT_X").tolist() == mini.encode("cat_x").tolist()


def test_unknown_pattern() -> None:
    with pytest.raises(TokenizerError, match="one of unicode, mini, got 'maxi'"):
        build_tokenizer("word", ["a b"], pattern="maxi")


def test_vocabulary_file_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    for options in ({}, {"lowercase": True}, {"pattern": "mini"}):
        tokenizer = build_tokenizer("word", SAMPLES.values(), **options)  # type: ignore[arg-type]
        tokenizer.save_vocab(path)
        assert build_tokenizer("word", vocab_file=path, **options) == tokenizer  # type: ignore[arg-type]


def test_a_line_of_several_tokens_could_never_occur(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("one\ndon't\n", encoding="utf-8")
    with pytest.raises(TokenizerError, match=r"line 2: \"don't\" can never occur: the word"):
        build_tokenizer("word", vocab_file=path)
