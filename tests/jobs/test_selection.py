"""Which records are kept, and in which bucket."""

from __future__ import annotations

import math

import pytest

from fastlm.errors import ConfigError
from fastlm.inference.scores import Score
from fastlm.jobs.calibration import Calibration
from fastlm.jobs.scored import Scored
from fastlm.jobs.selection import Selection
from fastlm.text.records import BadRecord, Record

RECORD = Record(1, b"a\n", b"a", "a")
STEPS = Calibration("", "perplexity", 1, [float(step) for step in range(1001)])


def scored(perplexity: float) -> Scored:
    tokens = 0 if math.isnan(perplexity) else 1
    log_prob = -math.log(perplexity) if tokens else 0.0
    return Scored(RECORD, Score(log_prob, tokens, 0, log_prob, tokens, tokens))


def test_limits():
    selection = Selection({"perplexity": (2, 10)})
    found = [selection.rejection(scored(value)) for value in (1.5, 2.5, 9.5, 10.5, math.nan)]
    assert [None if each is None else each.kind for each in found] == [
        "below", None, None, "above", "no score",
    ]  # fmt: skip
    assert found[0].reason == "perplexity 1.5 is below 2"
    assert found[3].reason == "perplexity 10.5 is above 10"
    assert found[4].reason == "no perplexity"
    assert selection.rejection(Scored(RECORD, None, without="no text")).reason == "no text"


def test_nothing_is_left_out_without_a_limit_but_what_is_bad():
    assert Selection().rejection(Scored(RECORD, None, without="no text")) is None
    assert not Selection().filters
    bad = Scored(BadRecord(3, "no JSON"), None, without="no JSON")
    assert Selection().rejection(bad) == ("bad", "no JSON")


def test_percentiles():
    selection = Selection(keep_percentile=60, calibrations={"": STEPS})
    assert selection.rejection(scored(600 * (1 - 1e-9))) is None
    assert selection.rejection(scored(601)).reason == ("perplexity 601 is above 600, percentile 60")
    assert selection.rejection(scored(math.nan)).kind == "no score"
    assert selection.rejection(scored(5)._replace(model="fr")).kind == "no score"


def test_buckets():
    selection = Selection(buckets=(30, 60), calibrations={"": STEPS})
    values = (1, 299, 301, 599, 601, 1e9, math.nan)
    assert [selection.bucket(scored(value)) for value in values] == [
        "head", "head", "middle", "middle", "tail", "tail", None,
    ]  # fmt: skip
    assert not selection.filters
    assert selection.bucket(scored(1)._replace(score=None)) is None
    assert selection.bucket(scored(1)._replace(model="fr")) is None
    assert Selection().bucket(scored(1)) is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"keep_percentile": 0}, "--keep-percentile is 0; give a percentage"),
        ({"keep_percentile": 101}, "--keep-percentile is 101"),
        ({"keep_percentile": math.nan}, "--keep-percentile is nan"),
        ({"buckets": (0, 60)}, "--buckets is 0"),
        ({"buckets": (60, 30)}, "--buckets is 60,30; give two rising"),
        ({"buckets": (60, 60)}, "rising"),
    ],
)
def test_percentages_that_are_none(settings, message):
    with pytest.raises(ConfigError, match=message):
        Selection(**settings).check()
    Selection(keep_percentile=100, buckets=(1, 99.5)).check()
