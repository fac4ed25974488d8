"""The filter has the methods of both libraries' filters, without either."""

from __future__ import annotations

import math
import pickle
from types import SimpleNamespace

import pytest

import fastlm
from fastlm.errors import ConfigError

from .models import expected, saved_model

TEXTS = ["the cat sat", "", "and the dog saw it", "on a mat"]


@pytest.fixture
def path(tmp_path) -> str:
    return saved_model(tmp_path)


def test_scores_and_verdicts(path):
    values = expected("perplexity", TEXTS)
    limit = sorted(value for value in values if value)[1]
    keep = fastlm.DocumentFilter(path, most=limit)
    scores = [keep.score_document(text) for text in TEXTS]
    assert [None if math.isnan(score) else score for score in scores] == values
    kept = [value is not None and value <= limit for value in values]
    assert [keep.keep_document(score) for score in scores] == kept
    documents = [SimpleNamespace(text=text) for text in TEXTS]
    verdicts = [keep.filter(document) for document in documents]
    assert [verdict is True for verdict in verdicts] == kept
    assert verdicts[1] == (False, "no perplexity")
    assert f"is above {limit:g}" in verdicts[values.index(max(filter(None, values)))][1]
    assert keep.filter_batch(documents) == verdicts
    assert [doc.text for doc in keep(documents)] == [
        t for t, k in zip(TEXTS, kept, strict=True) if k
    ]
    assert keep.name == "perplexity"


def test_it_travels_and_has_other_figures(path):
    keep = fastlm.DocumentFilter(path, least=1.5, most=1e9, figure="tokens")
    again = pickle.loads(pickle.dumps(keep))
    assert len(pickle.dumps(keep)) < 1000
    assert again.filter(SimpleNamespace(text="a")) == (False, "tokens 1 is below 1.5")
    assert again.filter(SimpleNamespace(text="ab")) is True
    assert repr(again).startswith("DocumentFilter(")


def test_limits_that_make_no_sense(path):
    for limits, message in (
        ({}, "there is no limit"),
        ({"most": math.nan}, "most is nan"),
        ({"most": 1, "least": 2}, "least is 2, above most, 1"),
        ({"most": 1, "figure": "ppl"}, "no 'ppl'"),
    ):
        with pytest.raises(ConfigError, match=message):
            fastlm.DocumentFilter(path, **limits)
