"""How numbers are written."""

from __future__ import annotations

import math

import pytest

from fastlm.display.figures import (
    count_text,
    duration_text,
    model_text,
    plural,
    quality_figure,
    quality_text,
    quality_unit,
    size_text,
    time_text,
    tokens_text,
)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"), (950, "950"), (9_990, "9.99k"), (12_345, "12.3k"), (105_321, "105k"),
        (1_160_000, "1.16M"), (46_500_000, "46.5M"), (2.5e9, "2.50G"), (math.inf, "-"),
        (999.7, "1.00k"), (9_996, "10.0k"), (99_960, "100k"), (999_600, "1.00M"),
    ],
)  # fmt: skip
def test_counts(number, text):
    assert count_text(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0:00"), (41.6, "0:42"), (59.7, "1:00"), (727, "12:07"), (3723, "1:02:03"),
        (35_999.9, "10h00m"), (93_780, "26h03m"), (1_051_200, "12d04h"),
        (math.nan, "-"), (math.inf, "-"),
    ],
)  # fmt: skip
def test_durations(seconds, text):
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(1, "1 step"), (0, "0 steps"), (1234, "1,234 steps"), (1.0, "1 step"), (1.5, "1.5 steps"),
     (0.996, "0.996 steps"), (0.9996, "1 step")],
)  # fmt: skip
def test_plurals(number, text):
    assert plural(number, "step") == text


def test_sizes():
    assert [size_text(size) for size in (0, 999, 1_234, 1_234_567, 999_000_000, 2.5e9)] == [
        "0 bytes", "999 bytes", "1.2 kB", "1.2 MB", "999.0 MB", "2.5 GB",
    ]  # fmt: skip


def test_quality():
    assert [quality_unit(kind) for kind in ("char", "byte", "word", "bpe", "")] == [
        "bits/char", "bits/byte", "perplexity", "perplexity", "perplexity",
    ]  # fmt: skip
    assert quality_figure(2 * math.log(2), 4.0, "bits/char") == "2.000"
    assert [quality_figure(1.0, value, "perplexity") for value in (7.389, 1e4, 12345.6, 1e7)] == [
        "7.39", "10,000", "12,346", "1.00e+07",
    ]  # fmt: skip
    assert quality_text(2 * math.log(2), "char") == (
        "2.000 bits/char, perplexity 4.00, loss 1.3863 nats per token"
    )
    assert quality_text(1e4, "word") == "perplexity inf, loss 10000.0000 nats per token"


def test_a_model_and_its_tokens():
    shape = {"context": 4, "combine": "concat", "embed": 8, "hidden": (16, 8), "far": (12, 48)}
    assert model_text(shape, 1234) == (
        "context 4 (concat) and 12 and 48 further back, embedding 8, hidden 16,8: 1,234 parameters"
    )
    shape |= {"hidden": (), "far": ()}
    assert model_text(shape, 9) == "context 4 (concat), embedding 8, hidden none: 9 parameters"
    assert [tokens_text(1000, 50), tokens_text(1000, 0)] == [
        "1,000 to train on, 50 for validation", "1,000 to train on",
    ]  # fmt: skip


def test_times_in_words():
    times = {1: "1 second", 20: "20 seconds", 60: "1 minute", 90: "1.5 minutes", 7200: "2 hours"}
    assert {seconds: time_text(seconds) for seconds in times} == times
