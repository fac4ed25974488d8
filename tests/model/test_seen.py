"""What occurred in training: counted, joined, and kept in files of few bytes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlm.errors import ModelFileError
from fastlm.model.seen import Seen


def test_what_is_counted():
    seen = Seen.of(np.array([2, 0, 5]), 0, are_texts=True)
    assert (seen.unseen_ids, seen.ends) == ([1], True)
    assert not Seen.of(np.array([1, 0, 5]), 0, are_texts=True).ends  # one text
    assert not Seen.of(np.array([2, 0, 5]), 0, are_texts=False).ends
    assert not Seen.of(np.array([2, 0, 5]), None, are_texts=True).ends
    assert Seen().unseen_ids == []


def test_more_training_adds_to_it():
    first, second = (
        Seen(np.array([1, 0, 0], dtype=bool)),
        Seen(np.array([0, 1, 0], dtype=bool), True),
    )
    both = first.with_more(second)
    assert (both.unseen_ids, both.ends) == ([2], True)
    for unknown in (first.with_more(Seen()), Seen().with_more(first)):
        assert unknown.tokens is None


@given(st.lists(st.booleans(), min_size=1, max_size=30), st.booleans())
def test_the_json_form_and_back(tokens, ends):
    form = Seen(np.array(tokens, dtype=bool), ends).to_dict()
    found = Seen.from_dict(json.loads(json.dumps(form)), len(tokens))
    assert found.ends == ends
    assert found.unseen_ids == [id for id, seen in enumerate(tokens) if not seen]
    if all(tokens):
        assert form == ({"ends": True} if ends else {})  # as older versions write it


def test_the_bits_of_a_large_vocabulary_are_few_bytes():
    tokens = np.zeros(100_000, dtype=bool)
    assert len(json.dumps(Seen(tokens).to_dict())) < 17_000


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"seen": 3}, "its seen is not text in base 64"),
        ({"seen": "é"}, "its seen is not text in base 64"),
        ({"seen": "AA=="}, "its seen has 1 bytes for a vocabulary of 9"),
        ({"seen": [0]}, "its seen is not text in base 64"),
        ({"ends": 1}, "its ends is not true or false"),
    ],
)
def test_what_is_no_form_is_refused(form, message):
    with pytest.raises(ModelFileError, match=message):
        Seen.from_dict(form, 9)
