from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.engine.tokens import token_array
from fastlm.errors import ConfigError
from fastlm.search import suffix_array
from fastlm.search.suffix_array import sort_suffixes


def naive(text: list[int]) -> list[int]:
    return sorted(range(len(text)), key=lambda i: text[i:])


def check(text: list[int], dtype: str = "uint16") -> None:
    vocab = max(text, default=0) + 1
    ids = token_array(np.array(text, dtype=dtype), vocab)
    assert sort_suffixes(ids, vocab).tolist() == naive(text)


@given(st.lists(st.integers(0, 3), max_size=60), st.sampled_from(["uint16", "uint32"]))
@settings(deadline=None, max_examples=200)
def test_suffixes_are_sorted(text: list[int], dtype: str) -> None:
    check(text, dtype)


@given(st.lists(st.integers(0, 2), min_size=1, max_size=5), st.integers(1, 30))
@settings(deadline=None, max_examples=100)
def test_what_is_repeated_is_sorted(text: list[int], times: int) -> None:
    check(text * times)


@pytest.mark.parametrize("size", [1, 2, 3, 64, 300])
def test_extremes(size: int) -> None:
    check([5] * size)
    check(list(range(size)))
    check(list(range(size, 0, -1)))
    fibonacci = [0], [0, 1]
    while len(fibonacci[1]) < size:
        fibonacci = fibonacci[1], fibonacci[1] + fibonacci[0]
    check(fibonacci[1])


def test_any_slices_give_the_same(monkeypatch) -> None:
    text = np.random.default_rng(0).integers(0, 4, 500).tolist()
    for size in (1, 7, 499):
        monkeypatch.setattr(suffix_array, "_SLICE", size)
        check(text)


def test_the_empty_text_and_one_that_is_too_long(monkeypatch) -> None:
    check([])
    monkeypatch.setattr(suffix_array, "MOST_TOKENS", 3)
    with pytest.raises(ConfigError, match=r"has 4 tokens, .* at most 3"):
        check([0] * 4)
