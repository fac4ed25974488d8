"""Word errors agree with the recursion that defines them."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlm.jobs.word_errors import word_errors


def naive(text, reference):
    one, two = text.split(), reference.split()

    @cache
    def errors(i, j):
        if i == 0 or j == 0:
            return i + j
        same = errors(i - 1, j - 1) + (one[i - 1] != two[j - 1])
        return min(same, errors(i - 1, j) + 1, errors(i, j - 1) + 1)

    return errors(len(one), len(two))


WORDS = st.lists(st.sampled_from("abc"), max_size=7).map(" ".join)


@given(texts=st.lists(WORDS, max_size=5), reference=WORDS)
def test_they_are_the_fewest_changes(texts, reference):
    assert word_errors(texts, reference).tolist() == [naive(text, reference) for text in texts]


@pytest.mark.parametrize(
    ("text", "reference", "errors"),
    [("", "", 0), ("", "a b", 2), ("a b", "", 2), ("a b c", "a c", 1), ("A", "a", 1)],
)
def test_missing_words_and_words_too_many(text, reference, errors):
    assert word_errors([text], reference).tolist() == [errors]
