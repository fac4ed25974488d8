"""What all tokenizers have in common, and how they are built, compared and written down."""

from __future__ import annotations

import hashlib
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fastlm.errors import TokenizerError
from fastlm.tokenizers import (
    END,
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

from .samples import SAMPLES

CORPUS = ["The cat sat. The end.", *SAMPLES.values()]


KINDS = [kind for kind in TOKENIZER_KINDS if kind != "bpe" or find_spec("tokenizers")]


@pytest.fixture(params=KINDS)
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return build_tokenizer(request.param, CORPUS)


def test_kinds() -> None:
    assert TOKENIZER_KINDS == ("char", "word", "whitespace", "byte", "bpe")
    classes = [type(build_tokenizer(kind, CORPUS)) for kind in KINDS]
    expected = [CharTokenizer, WordTokenizer, WhitespaceTokenizer, ByteTokenizer, BpeTokenizer]
    assert classes == expected[: len(KINDS)]


def test_encode_never_gives_the_boundary(tokenizer: Tokenizer) -> None:
    assert tokenizer.boundary_id == 0
    assert tokenizer.token(0) == END
    assert 0 not in tokenizer.encode(f"<end> {END}\x00\n" + "".join(CORPUS))


def test_documents_end_with_the_boundary(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode_documents(text for text in CORPUS)
    assert ids.dtype == tokenizer.dtype
    assert np.count_nonzero(ids == 0) == len(CORPUS)
    assert ids[-1] == 0
    parts = list(tokenizer.encode_each(CORPUS))
    assert np.array_equal(np.concatenate(parts), ids)
    assert np.array_equal(parts[0][:-1], tokenizer.encode(CORPUS[0]))


def test_without_boundary() -> None:
    for kind in KINDS:
        tokenizer = build_tokenizer(kind, CORPUS, boundary=False)
        assert tokenizer.boundary_id is None
        assert len(tokenizer.encode_documents(["The", "cat"])) == len(
            tokenizer.encode("The")
        ) + len(tokenizer.encode("cat"))


def test_nothing_encodes_to_nothing(tokenizer: Tokenizer) -> None:
    for ids in (tokenizer.encode(""), tokenizer.encode_documents([])):
        assert ids.shape == (0,)
        assert ids.dtype == tokenizer.dtype
    assert tokenizer.decode([]) == ""


def test_the_boundary_in_decoded_text() -> None:
    tokenizer = build_tokenizer("word", ["The cat. The end."])
    ids = tokenizer.encode_documents(["The cat.", "The end."])
    assert tokenizer.decode(ids) == "The cat. The end."
    assert tokenizer.decode(ids, boundary="\n") == "The cat.\nThe end.\n"
    assert tokenizer.decode([0, 0], boundary="|") == "||"


def test_tokens_and_ids_are_inverse(tokenizer: Tokenizer) -> None:
    for id in range(tokenizer.vocab_size):
        assert tokenizer.id_of(tokenizer.token(id)) == id
    assert tokenizer.id_of("no such token") is None


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


def test_the_fingerprint_is_that_of_the_json_form(tokenizer: Tokenizer) -> None:
    form = json.dumps(tokenizer.to_dict(), sort_keys=True, separators=(",", ":"))
    assert tokenizer.fingerprint() == hashlib.sha256(form.encode()).hexdigest()


def test_tokenizers_differ_by_kind_symbols_and_options() -> None:
    different = [
        build_tokenizer("char", ["ab"]),
        build_tokenizer("char", ["ba", "b"]),
        build_tokenizer("char", ["ab"], lowercase=True),
        build_tokenizer("char", ["ab"], boundary=False),
        build_tokenizer("char", ["ab"], unk=False),
        build_tokenizer("word", ["a b"]),
        build_tokenizer("word", ["a b"], pattern="mini"),
        build_tokenizer("whitespace", ["a b"]),
        build_tokenizer("byte"),
        build_tokenizer("byte", boundary=False),
    ]
    assert len({t.fingerprint() for t in different}) == len(different)
    assert all(a != b for n, a in enumerate(different) for b in different[:n])
    assert different[0] != "char"


@pytest.mark.parametrize("text", [b"bytes", None, 3, ["text"]])
def test_only_str_is_encoded(tokenizer: Tokenizer, text: Any) -> None:
    with pytest.raises(TokenizerError, match=f"can only encode str, got {type(text).__name__}"):
        tokenizer.encode(text)


def test_one_text_is_not_several(tokenizer: Tokenizer) -> None:
    with pytest.raises(TokenizerError, match="expected several texts, got one str"):
        tokenizer.encode_documents("text")
    with pytest.raises(TokenizerError, match="text 1 is bytes, not str"):
        tokenizer.encode_documents(["a", b"b"])  # type: ignore[list-item]
    with pytest.raises(TokenizerError, match="expected an iterable of str, got int"):
        tokenizer.encode_documents(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["char", "word", "whitespace"])
def test_building_takes_several_texts(kind: str) -> None:
    with pytest.raises(TokenizerError, match="expected several texts, got one str"):
        build_tokenizer(kind, "one text")
    with pytest.raises(TokenizerError, match="text 0 is NoneType"):
        build_tokenizer(kind, [None])  # type: ignore[list-item]
    with pytest.raises(TokenizerError, match="lone surrogate U\\+D83D at character 2"):
        build_tokenizer(kind, ["a \ud83d b"])


def test_lone_surrogates_are_no_text(tokenizer: Tokenizer) -> None:
    text = "é" * (1 << 20) + "a\udc80"
    with pytest.raises(TokenizerError, match="lone surrogate U\\+DC80 at character 1048577"):
        tokenizer.encode(text)


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([-1], "token id -1 is outside 0 .. "),
        ([0, 100_000], "token id 100000 is outside 0 .. "),
        (np.array([70_000], dtype=np.uint32), "token id 70000 is outside"),
        ([1.5], "must be integers, got float64"),
        ([True], "must be integers, got bool"),
        ([[1, 2]], r"one flat sequence, got an array of shape \(1, 2\)"),
        ([[1], [1, 2]], "one flat sequence of integers"),
        (3, r"one flat sequence, got an array of shape \(\)"),
        ([2**70], "must be integers"),
    ],
)
def test_ids_that_are_none(tokenizer: Tokenizer, ids: Any, message: str) -> None:
    with pytest.raises(TokenizerError, match=message):
        tokenizer.decode(ids)


def test_decoding_takes_ids_of_any_integer_type(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode("The cat")
    for same in (ids.tolist(), tuple(ids.tolist()), ids.astype(np.int32), ids.astype(np.uint64)):
        assert tokenizer.decode(same) == "The cat"


@pytest.mark.parametrize("id", [-1, 10**9])
def test_token_of_an_id_that_is_none(tokenizer: Tokenizer, id: int) -> None:
    with pytest.raises(TokenizerError, match=f"token id {id} is outside"):
        tokenizer.token(id)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("bytes", {}, "one of char, word, whitespace, byte, bpe, got 'bytes'"),
        (None, {}, "one of char, word, whitespace, byte, bpe, got None"),
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
        ({"kind": "klingon"}, "must be one of .*got 'klingon'"),
        ({"kind": ["char"]}, r"must be one of .*got \['char'\]"),
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
        with pytest.raises(TokenizerError, match=f"lacks '{key}'|must be one of .* got None"):
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
