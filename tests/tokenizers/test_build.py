"""Making tokenizers from texts, counts, vocabulary files and JSON forms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastlm.errors import TokenizerError
from fastlm.tokenizers import (
    TOKENIZER_KINDS,
    BpeTokenizer,
    ByteTokenizer,
    CharTokenizer,
    Tokenizer,
    WhitespaceTokenizer,
    WordTokenizer,
    build_tokenizer,
    tokenizer_from_dict,
)

from .samples import CORPUS, KINDS


def test_kinds() -> None:
    assert TOKENIZER_KINDS == ("char", "word", "whitespace", "byte", "bpe")
    classes = [type(build_tokenizer(kind, CORPUS)) for kind in KINDS]
    expected = [CharTokenizer, WordTokenizer, WhitespaceTokenizer, ByteTokenizer, BpeTokenizer]
    assert classes == expected[: len(KINDS)]


def test_json_round_trip(tokenizer: Tokenizer) -> None:
    again = tokenizer_from_dict(json.loads(json.dumps(tokenizer.to_dict())))
    assert type(again) is type(tokenizer)
    assert again == tokenizer
    assert hash(again) == hash(tokenizer)
    assert again.fingerprint() == tokenizer.fingerprint()
    text = "".join(CORPUS)
    assert np.array_equal(again.encode(text), tokenizer.encode(text))


def test_json_file_round_trip(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save_vocab(tmp_path / "t.json")
    assert build_tokenizer(tokenizer.kind, vocab_file=tmp_path / "t.json") == tokenizer


@pytest.mark.parametrize("kind", ["char", "word", "whitespace"])
def test_building_takes_several_texts(kind: str) -> None:
    with pytest.raises(TokenizerError, match="expected several texts, got one str"):
        build_tokenizer(kind, "one text")
    with pytest.raises(TokenizerError, match="text 0 is NoneType"):
        build_tokenizer(kind, [None])  # type: ignore[list-item]
    with pytest.raises(TokenizerError, match="lone surrogate U\\+D83D at character 2"):
        build_tokenizer(kind, ["a \ud83d b"])


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("bytes", {}, r"'bytes'; did you mean byte\? choose one of char, word, whitespace"),
        (None, {}, "tokenizer is None; choose one of char, word, whitespace, byte, bpe"),
        ("char", {"min_count": 0}, "min_count is 0; give a whole number of at least 1"),
        ("byte", {"max_vocab": -1}, "max_vocab is -1; give a whole number of at least 1"),
        ("byte", {"min_count": 2}, "min_count 2 has no effect with the byte tokenizer"),
        ("byte", {"max_vocab": 99}, "max_vocab 99 has no effect with the byte tokenizer"),
        ("byte", {"lowercase": True}, "byte tokenizer keeps the case of letters"),
        ("byte", {"vocab_file": "v.txt"}, r"fixed, so v\.txt cannot be its vocabulary file"),
        ("word", {"vocab_file": "v", "min_count": 2}, "min_count 2 has no effect with a vocab"),
        ("char", {"vocab_file": "v", "max_vocab": 9}, "max_vocab 9 has no effect with a vocab"),
        ("char", {"pattern": "mini"}, "pattern 'mini' is for the word tokenizer, not for char"),
        ("char", {}, "one symbol only, 'a', so there is nothing to learn"),
    ],
)
def test_settings_that_do_not_fit(kind: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(TokenizerError, match=message):
        build_tokenizer(kind, ["aaaa"], **options)


def test_no_text() -> None:
    for kind in ("char", "word", "whitespace"):
        with pytest.raises(TokenizerError, match="holds no symbol"):
            build_tokenizer(kind, [""])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "klingon"}, "is 'klingon'; choose one of char"),
        ({"kind": ["char"]}, r"is \['char'\]; choose one of"),
        ({"symbols": None}, "JSON form has symbols None, not a list"),
        ({"symbols": ["a", 3]}, "symbols must be a list of strings"),
        ({"symbols": ["a", "a"]}, "holds 'a' twice"),
        ({"symbols": ["a", "bc"]}, "'bc' has 2 characters"),
        ({"lowercase": 1}, "has lowercase 1, not true or false"),
        ({"colour": "blue"}, "has a key 'colour' that this version of fastlm does not know"),
    ],
)
def test_json_forms_that_are_none(change: dict[str, Any], message: str) -> None:
    form = build_tokenizer("char", ["ab"]).to_dict()
    with pytest.raises(TokenizerError, match=message):
        tokenizer_from_dict(form | change)


@pytest.mark.parametrize("kind", TOKENIZER_KINDS)
def test_json_forms_that_lack_something(kind: str) -> None:
    form = build_tokenizer(kind, CORPUS).to_dict()
    for key in form:
        shorter = {k: v for k, v in form.items() if k != key}
        with pytest.raises(TokenizerError, match=f"lacks '{key}'|tokenizer is None; choose"):
            tokenizer_from_dict(shorter)


def test_a_json_form_is_an_object() -> None:
    with pytest.raises(TokenizerError, match="JSON form is an object, got list"):
        tokenizer_from_dict(["char"])  # type: ignore[arg-type]


def test_a_json_form_of_another_kind() -> None:
    with pytest.raises(TokenizerError, match="JSON form has kind 'char', not word"):
        WordTokenizer.from_dict(build_tokenizer("word", CORPUS).to_dict() | {"kind": "char"})


class TestJsonFile:
    @pytest.mark.parametrize(
        ("kind", "options", "message"),
        [
            ("char", {}, "kind 'char' contradicts the tokenizer in"),
            ("word", {"boundary": False}, "boundary=False contradicts"),
            ("word", {"unk": False}, "unk=False contradicts"),
            ("word", {"lowercase": True}, "lowercase=True contradicts"),
            ("word", {"pattern": "mini"}, "pattern='mini' contradicts"),
        ],
    )
    def test_contradictions(
        self, tmp_path: Path, kind: str, options: dict[str, Any], message: str
    ) -> None:
        build_tokenizer("word", CORPUS).save_vocab(tmp_path / "t.JSON")
        with pytest.raises(TokenizerError, match=message):
            build_tokenizer(kind, vocab_file=tmp_path / "t.JSON", **options)

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b"{", r"t\.json is not JSON: .*line 1"),
            (b"[" * 100_000, r"t\.json is not JSON"),
            (b"[]", r"t\.json: a tokenizer's JSON form is an object, got list"),
            (b"\xff", r"vocabulary file: .*t\.json is not valid UTF-8"),
        ],
    )
    def test_not_a_tokenizer(self, tmp_path: Path, data: bytes, message: str) -> None:
        (tmp_path / "t.json").write_bytes(data)
        with pytest.raises(TokenizerError, match=message):
            build_tokenizer("word", vocab_file=tmp_path / "t.json")

    def test_unwritable(self, tmp_path: Path) -> None:
        with pytest.raises(TokenizerError, match=r"cannot write the tokenizer to .*nowhere"):
            ByteTokenizer().save_vocab(tmp_path / "nowhere" / "t.json")


@pytest.mark.parametrize("kind", ["char", "word", "whitespace"])
def test_a_vocabulary_file_round_trips_by_kind(kind: str, tmp_path: Path) -> None:
    tokenizer = build_tokenizer(kind, CORPUS, boundary=False, lowercase=True)
    tokenizer.save_vocab(tmp_path / "v.txt")
    again = build_tokenizer(kind, vocab_file=tmp_path / "v.txt", boundary=False, lowercase=True)
    assert again == tokenizer


@pytest.mark.parametrize(
    "text", ['{"kind": ' + "9" * 5000 + "}", "[" * 10**5, '{"a": [' + "[]," * 10**5 + "0]}"]
)
def test_a_file_of_too_long_numbers_or_too_many_lists(tmp_path, text) -> None:
    path = tmp_path / "v.json"
    path.write_text(text)
    with pytest.raises(TokenizerError, match="is not JSON") as caught:
        build_tokenizer("char", vocab_file=path)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("kind", ["word", "whitespace"])
def test_line_ends_are_kept_whatever_the_limits(kind: str) -> None:
    texts = ["a a a b b c\n"]
    for limits in ({}, {"min_count": 2}, {"max_vocab": 4}):
        tokenizer = build_tokenizer(kind, texts, line_ends=True, **limits)
        assert tokenizer.id_of("\n") == 2
        assert tokenizer.id_of("a") == 3


@pytest.mark.parametrize("kind", ["word", "whitespace"])
def test_line_ends_in_files(kind: str, tmp_path: Path) -> None:
    tokenizer = build_tokenizer(kind, ["a b\n"], line_ends=True)
    for name in ("v.txt", "v.json"):
        tokenizer.save_vocab(tmp_path / name)
        again = build_tokenizer(kind, vocab_file=tmp_path / name, line_ends=True)
        assert again == tokenizer
    assert (tmp_path / "v.txt").read_text() == "<end>\n<unk>\n<eos>\na\nb\n"
    (tmp_path / "v.txt").write_text("b\na\n")
    symbols = build_tokenizer(kind, vocab_file=tmp_path / "v.txt", line_ends=True).vocabulary
    assert symbols.symbols == ("<end>", "<unk>", "b", "a", "\n")
    build_tokenizer(kind, ["a b"]).save_vocab(tmp_path / "w.json")
    with pytest.raises(TokenizerError, match="documents='stream' contradicts the tokenizer in"):
        build_tokenizer(kind, vocab_file=tmp_path / "w.json", line_ends=True)


def test_a_word_that_stands_for_line_ends_in_files(tmp_path: Path) -> None:
    tokenizer = build_tokenizer("whitespace", ["a <eos>\n"], line_ends=True)
    with pytest.raises(TokenizerError, match="<eos> is a word of this vocabulary, and stands for"):
        tokenizer.save_vocab(tmp_path / "v.txt")
    tokenizer.save_vocab(tmp_path / "v.json")


@pytest.mark.parametrize("kind", ["char", "byte", "bpe"])
def test_line_ends_that_are_tokens_anyway(kind: str) -> None:
    with pytest.raises(TokenizerError, match=f"the {kind} tokenizer reads line ends by itself"):
        build_tokenizer(kind, ["a b"], line_ends=True)
