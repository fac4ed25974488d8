"""What `word` and `whitespace` share: text is split, then looked up."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from fastlm.errors import TokenizerError
from fastlm.tokenizers import Vocabulary, WhitespaceTokenizer, WordTokenizer, build_tokenizer

from .samples import SAMPLES

OPTIONS = [
    ("word", {}),
    ("word", {"lowercase": True}),
    ("word", {"pattern": "mini"}),
    ("whitespace", {}),
    ("whitespace", {"lowercase": True}),
    ("word", {"line_ends": True}),
    ("whitespace", {"line_ends": True, "lowercase": True}),
]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(("kind", "options"), OPTIONS)
def test_texts_longer_than_a_chunk(
    kind: str, options: dict, compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "  ".join(SAMPLES.values()) + " ΟΔΟΣ ΟΔΟΣ"
    tokenizer = build_tokenizer(kind, [text], **options)
    whole = tokenizer.encode(text)
    assert whole.size > 40
    monkeypatch.setattr("fastlm.tokenizers.word_level.CHUNK", 5)
    monkeypatch.setattr("fastlm.tokenizers.word_level.compiled_pays", lambda size: compiled)
    assert np.array_equal(tokenizer.encode(text), whole)


@pytest.mark.parametrize("kind", ["word", "whitespace"])
def test_without_unk_an_unknown_word_is_an_error(kind: str) -> None:
    tokenizer = build_tokenizer(kind, ["the cat , the dog"], unk=False)
    with pytest.raises(TokenizerError, match=r"^'bird' is not among the 4 symbols .*no <unk>"):
        tokenizer.encode("the bird")


def test_a_symbol_that_could_never_occur() -> None:
    with pytest.raises(TokenizerError, match=r"'Cat' can never occur.*whitespace.*'cat'"):
        WhitespaceTokenizer(Vocabulary.from_symbols(["a", "Cat"]), lowercase=True)
    with pytest.raises(TokenizerError, match=r"'a-b' can never occur.*word.*'a', '-', 'b'"):
        WordTokenizer(Vocabulary.from_symbols(["a", "a-b"]))


@pytest.mark.parametrize("kind", ["word", "whitespace"])
def test_the_last_word_is_not_stable(kind: str) -> None:
    tokenizer = build_tokenizer(kind, ["one two ."])
    assert not tokenizer.decodes_independently
    ids = tokenizer.encode("one two .").tolist()
    assert [tokenizer.stable_text(ids[:n]) for n in (1, 2, 3)] == [
        "", "one", "one two",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["word", "whitespace"])
def test_line_ends_come_back_and_words_as_ever(kind: str) -> None:
    tokenizer = build_tokenizer(kind, ["it is so , too\n"], line_ends=True)
    text = "\nit is so\n\n too\nso\n"
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text.replace(" too", "too")
    assert np.array_equal(tokenizer.encode(tokenizer.decode(ids)), ids)
    # What is certain grows, and ends as the whole.
    texts = [tokenizer.stable_text(ids[:n].tolist()) for n in range(1, len(ids) + 1)]
    assert all(later.startswith(text) for text, later in pairwise(texts))
    assert tokenizer.decode(ids).startswith(texts[-1])


@pytest.mark.parametrize("kind", ["word", "whitespace"])
def test_the_form_says_that_line_ends_are_tokens_only_if_they_are(kind: str) -> None:
    without = build_tokenizer(kind, ["a b\n"])
    assert "line_ends" not in without.to_dict()
    tokenizer = build_tokenizer(kind, ["a b\n"], line_ends=True)
    assert tokenizer.to_dict()["line_ends"] is True
    assert type(tokenizer).from_dict(tokenizer.to_dict()) == tokenizer
    assert tokenizer.fingerprint() != without.fingerprint()
    with pytest.raises(TokenizerError, match="the vocabulary has none; add <eos> to it"):
        type(tokenizer).from_dict(without.to_dict() | {"line_ends": True})
    form = tokenizer.to_dict()
    del form["line_ends"]
    with pytest.raises(TokenizerError, match="can never occur"):
        type(tokenizer).from_dict(form)
