"""The oracle of the counts gives KenLM's numbers."""

from __future__ import annotations

import math

import pytest

from tests.counts.models import ngrams_of, tiny_model
from tests.counts.texts import DOUBLED, TINY
from tests.naive_counts import NaiveModel, documents_of, last_of


@pytest.mark.parametrize(("name", "ids"), [("tiny", TINY), ("doubled", DOUBLED)])
def test_the_oracle_agrees_with_kenlm(name: str, ids: list[int]) -> None:
    ours, theirs = NaiveModel(ids, 3, 5, 0).logs(), ngrams_of(tiny_model(name))
    assert ours.keys() == theirs.keys()
    for gram, logs in theirs.items():
        assert ours[gram] == pytest.approx(logs, abs=1e-6), gram


def test_the_oracle_sums_to_one_with_and_without_pruning() -> None:
    for prune in ((), (0, 1), (0, 0, 1)):
        model = NaiveModel(TINY, 3, 5, 0, prune)
        for context in ((), (0,), (2, 3), (3, 2), (4, 4)):
            total = math.fsum(model.prob(context, token) for token in range(5))
            assert total == pytest.approx(1, abs=1e-12)


def test_documents_begin_with_the_boundary_token() -> None:
    assert documents_of([2, 3, 0, 2], 0) == [(0, 2, 3, 0), (0, 2)]
    assert documents_of([2, 3, 2], None) == [(2, 3, 2)]


def test_the_last_n_gram_ends_with_the_token_that_comes_last() -> None:
    documents = documents_of(TINY, 0)
    assert last_of(documents, 3, 0) == (4,)  # c, after the beginning of a document
    assert last_of(documents_of([2, 3, 4, 0, 3, 4, 0], 0), 3, 0) == (2, 3, 4)
