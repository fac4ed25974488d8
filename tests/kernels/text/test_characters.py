"""Characters of UTF-8 text and ids: counted and encoded as Python does it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.tokenizers.character_tables import CODE_POINTS
from fastlm_kernels.text.characters import count_characters, count_ids, encode_characters
from fastlm_kernels.text.utf8 import END
from tests.kernels.text.test_utf8 import TEXTS, padded

ID_OF = np.arange(CODE_POINTS, dtype=np.int32) + 100_000


@given(TEXTS)
@settings(deadline=None, max_examples=20)
def test_characters_are_counted(text: str) -> None:
    data, size = padded(text)
    data = np.insert(data, size, END)  # a document ends
    counts = np.ones(CODE_POINTS, dtype=np.int64)
    count_characters(counts, data, size + 1)
    expected = np.ones(CODE_POINTS, dtype=np.int64)
    np.add.at(expected, [ord(c) for c in text], 1)
    np.testing.assert_array_equal(counts, expected)


@given(TEXTS, st.sampled_from([-1, 7, 70_000]))
@settings(deadline=None, max_examples=30)
def test_characters_are_encoded(text: str, boundary: int) -> None:
    """Two documents, with ids that need 32 bits."""
    data, size = padded(text + "\0" + text)
    first = len(text.encode())
    data[first] = END
    ids = np.zeros(2 * size, dtype=np.uint16)
    count = encode_characters(ids, data, ID_OF, 2, size, boundary)
    one = [ord(c) + 100_000 for c in text]
    between = [boundary] if boundary >= 0 else []
    assert ids.view(np.uint32)[:count].tolist() == [*one, *between, *one]


@pytest.mark.parametrize("text", ["abcdefghij é", "é", "abcdefgh" * 3 + "😀"])
def test_a_character_without_an_id_is_named_by_its_byte(text: str) -> None:
    id_of = np.full(CODE_POINTS, -1, dtype=np.int32)
    id_of[[ord(c) for c in "abcdefghij "]] = 1
    data, size = padded(text)
    at = encode_characters(np.zeros(size, dtype=np.uint16), data, id_of, 1, size, -1)
    assert -1 - at == len(text[:-1].encode())


@pytest.mark.parametrize(("dtype", "vocab"), [(np.uint16, 300), (np.uint32, 70_000)])
def test_ids_are_counted(dtype: type, vocab: int) -> None:
    ids = np.random.default_rng(0).integers(0, vocab, 5000).astype(dtype)
    counts = np.ones(vocab, dtype=np.int64)
    count_ids(counts, ids.view(np.uint16), ids.itemsize // 2)
    assert (counts == 1 + np.bincount(ids, minlength=vocab)).all()
