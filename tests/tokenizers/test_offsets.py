"""Offsets of tokens: each token's characters, encoded alone, are that token."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlm.tokenizers import ByteTokenizer, CharTokenizer, build_tokenizer, train_bpe
from fastlm.tokenizers.offsets import token_offsets

TEXT = "The cat's 12 hats, ab-cd… é 猫 ÀÉ\u0301 \U0001f600 naïve\n\nİstanbul ΣΑΣ a\u200db\n"
KINDS = {
    "char": build_tokenizer("char", [TEXT]),
    "char lower": build_tokenizer("char", [TEXT], lowercase=True),
    "tiny": CharTokenizer.tiny(),
    "byte": ByteTokenizer(),
    "byte without end": ByteTokenizer(boundary=False),
    "word": build_tokenizer("word", [TEXT]),
    "word lower": build_tokenizer("word", [TEXT], lowercase=True),
    "word lines": build_tokenizer("word", [TEXT], line_ends=True),
    "mini": build_tokenizer("word", [TEXT], pattern="mini", lowercase=True),
    "whitespace": build_tokenizer("whitespace", [TEXT]),
    "whitespace lines": build_tokenizer("whitespace", [TEXT], lowercase=True, line_ends=True),
}
texts = st.text(
    st.one_of(st.sampled_from("abcİIΣσ \n\t'-é猫\u0301\u200d\U0001f600\x1c\x85"), st.characters(
        exclude_categories=["Cs"])), max_size=40)  # fmt: skip


def check(tokenizer, text):
    """Compare with what encoding says of each token."""
    ids, offsets = tokenizer.encode(text), token_offsets(tokenizer, text)
    assert offsets.dtype == np.int64
    assert offsets.shape == (ids.size, 2)
    starts, stops = offsets.T
    assert (starts < stops).all()
    assert (np.diff(starts) >= 0).all()
    assert (np.diff(stops) >= 0).all()
    assert ids.size == 0 or (starts[0] >= 0 and stops[-1] <= len(text))
    return ids.tolist(), offsets.tolist()


@pytest.mark.parametrize("kind", KINDS)
@given(text=st.one_of(st.just(TEXT), texts))
def test_a_token_is_what_its_characters_are_alone(kind, text):
    tokenizer = KINDS[kind]
    ids, offsets = check(tokenizer, text)
    for id, (start, stop) in zip(ids, offsets, strict=True):
        alone = tokenizer.encode(text[start:stop]).tolist()
        if tokenizer.kind in ("byte", "char"):
            assert stop == start + 1
            assert id in alone or text[start] == "Σ"  # its lower case depends on its place
        elif text[start:stop].lower() == text.lower()[start:stop]:
            assert alone == [id]  # the last sigma of a word depends on what comes after it
    covered = {at for start, stop in offsets for at in range(start, stop)}
    left_out = [at for at in range(len(text)) if at not in covered]
    if tokenizer.kind in ("byte", "char"):
        assert left_out == []
    elif tokenizer.kind == "whitespace":
        assert "".join(text[at] for at in left_out).strip() == ""


def test_a_character_of_two_in_lower_case():
    offsets = token_offsets(KINDS["char lower"], "aİb")
    assert offsets.tolist() == [[0, 1], [1, 2], [1, 2], [2, 3]]
    assert token_offsets(KINDS["word lower"], "aİb c").tolist() == [[0, 3], [4, 5]]


def test_bytes_of_a_character_have_that_character():
    assert token_offsets(KINDS["byte"], "é1").tolist() == [[0, 1], [0, 1], [1, 2]]


def test_no_text_has_no_tokens():
    for tokenizer in KINDS.values():
        assert token_offsets(tokenizer, "").shape == (0, 2)


def test_byte_pairs():
    pytest.importorskip("tokenizers")
    tokenizer = train_bpe([TEXT * 5], max_vocab=300)
    for text in (TEXT, "", " the cat", "猫\U0001f600", "a cat " * 9000):
        ids, offsets = check(tokenizer, text)
        covered = {at for start, stop in offsets for at in range(start, stop)}
        assert len(covered) == len(text)
        for id, (start, stop) in list(zip(ids, offsets, strict=True))[:300]:
            symbol = tokenizer.decode([id])
            assert symbol == text[start:stop] or "\ufffd" in symbol
