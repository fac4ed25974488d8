"""Characters to ids and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.errors import TokenizerError
from fastlm.tokenizers import (
    END,
    UNK,
    CharTokenizer,
    Vocabulary,
    build_tokenizer,
    tokenizer_from_dict,
)

from .samples import SAMPLES, TEXTS


def naive_encode(tokenizer: CharTokenizer, text: str) -> list[int]:
    symbols = tokenizer.vocabulary.symbols
    return [symbols.index(c) if c in symbols else tokenizer.vocabulary.unk_id for c in text]  # type: ignore[misc]


@pytest.mark.parametrize("name", SAMPLES)
def test_round_trip_of_every_script(name: str) -> None:
    tokenizer = build_tokenizer("char", SAMPLES.values())
    text = SAMPLES[name]
    ids = tokenizer.encode(text)
    assert ids.dtype == np.uint16
    assert len(ids) == len(text)
    assert tokenizer.decode(ids) == text


@given(TEXTS.filter(lambda text: len(set(text)) > 1))
@settings(deadline=None, max_examples=50)
def test_round_trip_of_any_text(text: str) -> None:
    tokenizer = build_tokenizer("char", [text])
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.unk_id not in tokenizer.encode(text)


@given(TEXTS)
@settings(deadline=None, max_examples=50)
def test_encoding_equals_the_obvious_way(text: str) -> None:
    tokenizer = build_tokenizer("char", ["abc é", *SAMPLES.values()], max_vocab=40)
    assert tokenizer.encode(text).tolist() == naive_encode(tokenizer, text)


def test_order_of_the_vocabulary() -> None:
    tokenizer = build_tokenizer("char", ["banana", "nb\n"])
    assert tokenizer.vocabulary.symbols == (END, UNK, "a", "n", "b", "\n")


def test_texts_longer_than_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastlm.tokenizers.char.CHUNK", 7)
    text = "ascii only, then é and 第, then ascii again"
    tokenizer = build_tokenizer("char", [text])
    assert tokenizer.encode(text).tolist() == naive_encode(tokenizer, text)
    assert tokenizer.decode(tokenizer.encode(text)) == text
    strict = build_tokenizer("char", [text], unk=False)
    with pytest.raises(TokenizerError, match=r"'X' \(U\+0058\) at position 42 is not among"):
        strict.encode(text + "X")


def test_unknown_characters() -> None:
    tokenizer = build_tokenizer("char", ["aabbc"], min_count=2)
    ids = tokenizer.encode("abcé😀")
    assert ids.tolist() == [2, 3, 1, 1, 1]
    assert tokenizer.decode(ids) == "ab���"


def test_without_unk_an_unknown_character_is_an_error() -> None:
    tokenizer = build_tokenizer("char", ["ab"], unk=False)
    assert tokenizer.encode("ba").tolist() == [2, 1]
    with pytest.raises(TokenizerError, match=r"'é' \(U\+00E9\) at position 2 .* has no <unk>"):
        tokenizer.encode("abé")


def test_more_than_65536_ids_need_uint32() -> None:
    symbols = [chr(code) for code in range(0x20000, 0x20000 + 65535)]
    small = CharTokenizer(Vocabulary.from_symbols(symbols[:-1]))
    large = CharTokenizer(Vocabulary.from_symbols(symbols))
    assert (small.vocab_size, small.dtype) == (65536, np.uint16)
    assert (large.vocab_size, large.dtype) == (65537, np.uint32)
    for tokenizer in (small, large):
        last = tokenizer.token(tokenizer.vocab_size - 1)
        assert tokenizer.encode(last).tolist() == [tokenizer.vocab_size - 1]
        assert tokenizer.encode(last).dtype == tokenizer.dtype


def test_lowercase() -> None:
    tokenizer = build_tokenizer("char", ["AbB"], lowercase=True)
    assert tokenizer.vocabulary.symbols == (END, UNK, "b", "a")
    assert tokenizer.decode(tokenizer.encode("BA")) == "ba"
    assert tokenizer != build_tokenizer("char", ["abb"])


class TestTiny:
    def test_the_alphabet(self) -> None:
        tiny = CharTokenizer.tiny()
        assert tiny.vocab_size == 27
        assert tiny.boundary_id is None
        assert tiny.unk_id is None
        assert [tiny.token(id) for id in range(27)] == list(" abcdefghijklmnopqrstuvwxyz")

    def test_worked_example(self) -> None:
        assert CharTokenizer.tiny().encode("hello").tolist() == [8, 5, 12, 12, 15]

    def test_every_other_character_reads_as_a_space(self) -> None:
        tiny = CharTokenizer.tiny()
        assert tiny.decode(tiny.encode("The CAT, é 9!\n")) == "the cat       "

    def test_no_boundary_between_documents(self) -> None:
        assert CharTokenizer.tiny().encode_documents(["ab", "c"]).tolist() == [1, 2, 3]

    def test_json_round_trip(self) -> None:
        again = tokenizer_from_dict(CharTokenizer.tiny().to_dict())
        assert again == CharTokenizer.tiny()
        assert again.encode("É b").tolist() == [0, 0, 2]


class TestVocabularyFile:
    def write(self, tmp_path: Path, text: str) -> Path:
        path = tmp_path / "chars.txt"
        path.write_bytes(text.encode())
        return path

    def test_escapes(self, tmp_path: Path) -> None:
        lines = ["\\n", "\\r", "\\t", "\\\\", "\\u0041", " ", "\\U0001F600", "é", "<unk>", "<"]
        tokenizer = build_tokenizer("char", vocab_file=self.write(tmp_path, "\n".join(lines)))
        assert tokenizer.vocabulary.symbols == (
            END, "\n", "\r", "\t", "\\", "A", " ", "😀", "é", UNK, "<",
        )  # fmt: skip

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a\nab\n", r"chars\.txt, line 2: 'ab' has 2 characters"),
            ("a\n\\x\n", r"line 2: .* has 2 characters"),
            ("A\n\\u0041\n", r"line 2: .*stands on line 1 too"),
            ("a\n\\U00110000\n", r"line 2: .*beyond the last code point"),
            ("a\nb\n\\ud800\n", r"chars\.txt: .*lone surrogate"),
        ],
    )
    def test_bad_lines(self, tmp_path: Path, text: str, message: str) -> None:
        with pytest.raises(TokenizerError, match=message):
            build_tokenizer("char", vocab_file=self.write(tmp_path, text))

    def test_upper_case_with_lowercase(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, "a\nB\n")
        with pytest.raises(TokenizerError, match="line 2: 'B' can never occur"):
            build_tokenizer("char", vocab_file=path, lowercase=True)

    @given(characters=st.sets(st.characters(exclude_categories=["Cs"]), min_size=2))
    @settings(deadline=None, max_examples=50)
    def test_round_trip(
        self, characters: set[str], tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        path = tmp_path_factory.mktemp("v") / "chars.txt"
        tokenizer = CharTokenizer(Vocabulary.from_symbols(sorted(characters, reverse=True)))
        tokenizer.save_vocab(path)
        assert build_tokenizer("char", vocab_file=path) == tokenizer


def test_a_symbol_of_several_characters() -> None:
    with pytest.raises(TokenizerError, match="'ab' has 2 characters"):
        CharTokenizer(Vocabulary.from_symbols(["ab", "c"]))


def test_the_character_for_unknown_ones_must_make_sense() -> None:
    with pytest.raises(TokenizerError, match="'x', is not in the vocabulary"):
        CharTokenizer(Vocabulary.from_ordered("ab"), unknown="x")
    with pytest.raises(TokenizerError, match="both <unk> and 'a'"):
        CharTokenizer(Vocabulary.from_symbols("ab"), unknown="a")
