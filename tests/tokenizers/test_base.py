"""The interface of tokenizers: the same of every kind."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
from copy import deepcopy
from typing import Any

import numpy as np
import pytest

from fastlm.errors import TokenizerError
from fastlm.tokenizers import END, Tokenizer, build_tokenizer

from .samples import CORPUS, KINDS


def test_encode_never_gives_the_boundary(tokenizer: Tokenizer) -> None:
    assert tokenizer.boundary_id == 0
    assert tokenizer.token(0) == END
    assert 0 not in tokenizer.encode(f"<end> {END}\x00\n" + "".join(CORPUS))


def test_documents_end_with_the_boundary(tokenizer: Tokenizer) -> None:
    ids = tokenizer.encode_documents(text for text in CORPUS)
    assert ids.dtype == tokenizer.dtype
    assert np.count_nonzero(ids == 0) == len(CORPUS)
    assert ids[-1] == 0
    expected = [id for text in CORPUS for id in [*tokenizer.encode(text), 0]]
    assert ids.tolist() == expected


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


def test_tokenizers_pickle_and_copy(tokenizer: Tokenizer) -> None:
    expected = tokenizer.encode("".join(CORPUS))
    for again in (pickle.loads(pickle.dumps(tokenizer)), deepcopy(tokenizer)):
        assert again == tokenizer
        assert np.array_equal(again.encode("".join(CORPUS)), expected)


def test_a_description_tells_tokenizers_apart() -> None:
    words = build_tokenizer("word", ["one two"])
    assert words.description == f"word of 4 tokens with fingerprint {words.fingerprint()[:12]}"


def test_the_ids_whose_text_holds_a_pattern() -> None:
    line_end = re.compile("\n")
    char = build_tokenizer("char", ["a\nb"])
    assert char.ids_matching(line_end) == (char.id_of("\n"),)
    assert char.ids_matching(re.compile("\n\n")) == ()
    byte = build_tokenizer("byte")
    assert byte.ids_matching(line_end) == (byte.id_of("<0x0A>"),)
    assert build_tokenizer("word", ["a\nb end"]).ids_matching(line_end) == ()
    # The names of special tokens are no text.
    assert char.ids_matching(re.compile("end|unk")) == ()
