"""Nearest neighbours, against cosines that are computed one by one."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastlm.errors import ConfigError
from fastlm.inference.embeddings.neighbors import nearest_tokens
from fastlm.tokenizers import build_tokenizer

CHARS = build_tokenizer("char", ["abcde"])


def cosine(a, b):
    dot = sum(x * y for x, y in zip(a, b, strict=True))
    return dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))


def test_the_nearest_have_the_largest_cosines():
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((CHARS.vocab_size, 3)).astype(np.float32)
    id = CHARS.id_of("b")
    expected = sorted(
        ((cosine(vectors[id].tolist(), vectors[other].tolist()), CHARS.token(other))
         for other in range(CHARS.vocab_size) if other != id),
        reverse=True,
    )  # fmt: skip
    found = nearest_tokens(CHARS, vectors, "b", 3)
    assert [token for token, _ in found] == [token for _, token in expected[:3]]
    assert [value for _, value in found] == pytest.approx([value for value, _ in expected[:3]])
    assert len(nearest_tokens(CHARS, vectors, "<end>", 99)) == CHARS.vocab_size - 1


def test_a_vector_of_zeros_is_no_error():
    vectors = np.zeros((CHARS.vocab_size, 3), dtype=np.float32)
    assert [value for _, value in nearest_tokens(CHARS, vectors, "a", 2)] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("token", "k", "message"),
    [
        ("ab", 1, "'ab' is not one token of the model, whose tokenizer is char; name one"),
        ("z", 1, "'z' is not one token"),
        ("z" * 500, 1, "'zzz"),
        (3, 1, "the token is 3; give its text"),
        ("a", 0, "k is 0; give a whole number of at least 1"),
    ],
)
def test_bad_arguments(token, k, message):
    vectors = np.ones((CHARS.vocab_size, 3), dtype=np.float32)
    with pytest.raises(ConfigError) as caught:
        nearest_tokens(CHARS, vectors, token, k)
    assert str(caught.value).startswith(message)
    assert len(str(caught.value)) < 200
