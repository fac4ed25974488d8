"""What stands between white space."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from fastlm.errors import TokenizerError
from fastlm.tokenizers import END, UNK, build_tokenizer

from .samples import SAMPLES, TEXTS

CORPUS = ["the cat , the dog", "the end ."]


def test_vocabulary_and_ids() -> None:
    tokenizer = build_tokenizer("whitespace", CORPUS)
    assert tokenizer.vocabulary.symbols == (END, UNK, "the", ",", ".", "cat", "dog", "end")
    assert tokenizer.encode("\tthe  dog\u3000ran\n").tolist() == [2, 6, 1]
    assert tokenizer.decode([2, 6, 1, 4]) == "the dog <unk> ."


@given(TEXTS)
@settings(deadline=None)
def test_it_is_split(text: str) -> None:
    words = [UNK if word == END else word for word in text.split()]
    tokenizer = build_tokenizer("whitespace", [text, "two words"])
    assert [tokenizer.token(id) for id in tokenizer.encode(text)] == words
    assert tokenizer.decode(tokenizer.encode(text)) == " ".join(words)


def test_reserved_names_in_text_read_as_unk() -> None:
    tokenizer = build_tokenizer("whitespace", ["a <unk> b <end> <unk>"])
    assert tokenizer.vocabulary.symbols == (END, UNK, "a", "b")
    assert tokenizer.encode("a <unk> <end> b").tolist() == [2, 1, 1, 3]


def test_ids_survive_decoding_and_encoding() -> None:
    tokenizer = build_tokenizer("whitespace", SAMPLES.values())
    ids = np.random.default_rng(0).integers(1, tokenizer.vocab_size, 200)
    assert tokenizer.encode(tokenizer.decode(ids)).tolist() == ids.tolist()


def test_lowercase() -> None:
    tokenizer = build_tokenizer("whitespace", ["The the CAT"], lowercase=True)
    assert tokenizer.vocabulary.symbols == (END, UNK, "the", "cat")
    assert tokenizer.encode("THE Cat").tolist() == [2, 3]


def test_a_vocabulary_file_of_17904_lines(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("".join(f"word{n}\n" for n in range(17904)), encoding="utf-8")
    tokenizer = build_tokenizer("whitespace", vocab_file=path)
    assert tokenizer.vocab_size == 17906
    assert tokenizer.encode("word0 word17903 other").tolist() == [2, 17905, 1]


def test_vocabulary_file_round_trip(tmp_path: Path) -> None:
    tokenizer = build_tokenizer("whitespace", SAMPLES.values())
    tokenizer.save_vocab(tmp_path / "words.txt")
    assert build_tokenizer("whitespace", vocab_file=tmp_path / "words.txt") == tokenizer


@pytest.mark.parametrize("line", ["two words", " padded", "trailing\t"])
def test_a_line_with_white_space_could_never_occur(tmp_path: Path, line: str) -> None:
    path = tmp_path / "words.txt"
    path.write_text(f"one\n{line}\n", encoding="utf-8")
    with pytest.raises(
        TokenizerError, match=r"line 2: .*can never occur: the whitespace tokenizer"
    ):
        build_tokenizer("whitespace", vocab_file=path)
