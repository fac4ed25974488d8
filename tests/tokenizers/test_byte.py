"""Bytes to ids and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from fastlm.errors import TokenizerError
from fastlm.tokenizers import ByteTokenizer, build_tokenizer

from .samples import SAMPLES, TEXTS


@pytest.mark.parametrize("text", SAMPLES.values(), ids=SAMPLES)
def test_round_trip_of_every_script(text: str) -> None:
    tokenizer = ByteTokenizer()
    assert tokenizer.decode(tokenizer.encode(text)) == text


@given(TEXTS)
@settings(deadline=None)
def test_round_trip_of_any_text(text: str) -> None:
    for tokenizer in (ByteTokenizer(), ByteTokenizer(boundary=False)):
        ids = tokenizer.encode(text)
        assert len(ids) == len(text.encode())
        assert tokenizer.decode(ids) == text


def test_ids() -> None:
    tokenizer = ByteTokenizer()
    assert (tokenizer.vocab_size, tokenizer.boundary_id, tokenizer.unk_id) == (257, 0, None)
    assert tokenizer.encode("Aé").tolist() == [66, 0xC3 + 1, 0xA9 + 1]
    assert tokenizer.encode("").dtype == np.uint16
    bare = ByteTokenizer(boundary=False)
    assert (bare.vocab_size, bare.boundary_id) == (256, None)
    assert bare.encode("Aé").tolist() == [65, 0xC3, 0xA9]


def test_broken_sequences_decode_to_the_replacement_character() -> None:
    tokenizer = ByteTokenizer()
    ids = tokenizer.encode("aéb").tolist()
    del ids[2]
    assert tokenizer.decode(ids) == "a\ufffdb"
    assert tokenizer.decode([256]) == "\ufffd"


def test_all_tokens_have_a_name_of_their_own() -> None:
    tokenizer = ByteTokenizer()
    names = [tokenizer.token(id) for id in range(257)]
    assert names[:3] == ["<end>", "<0x00>", "<0x01>"]
    assert names[ord("a") + 1] == "a"
    assert names[256] == "<0xFF>"
    assert [tokenizer.id_of(name) for name in names] == list(range(257))


def test_the_vocabulary_is_fixed(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match="the byte vocabulary is fixed"):
        ByteTokenizer().save_vocab(tmp_path / "v.txt")
    ByteTokenizer(boundary=False).save_vocab(tmp_path / "v.json")
    again = build_tokenizer("byte", vocab_file=tmp_path / "v.json", boundary=False)
    assert again == ByteTokenizer(boundary=False)
