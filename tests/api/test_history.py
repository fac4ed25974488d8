"""The history of a model: its validations, whatever a file says of them."""

from __future__ import annotations

import math

import pytest

import fastlm
from fastlm.api.history import sound_rows, validations

TEXT = "the cat sat on the mat and the dog lay down beside it\n" * 30
SETTINGS = {"context": 3, "embed": 3, "hidden": (4,), "batch": 16, "threads": 1}


def test_the_history_stays_with_the_model(tmp_path):
    seen = []
    lm = fastlm.train(
        TEXT, valid=0.2, steps=40, valid_every=0.1, callbacks=[seen.append], **SETTINGS
    )
    told = [one for one in seen if isinstance(one, fastlm.Validation)]
    assert len(told) > 2
    assert lm.history == told
    lm.save(tmp_path / "m")
    loaded = fastlm.load(tmp_path / "m")
    assert loaded.history == told
    assert loaded.result is None

    before = lm.history[-1]
    lm.train_more(TEXT, valid=0.2, steps=10)
    assert lm.history[: len(told)] == told
    assert lm.history[-1].step == 40 + 10
    assert lm.history[-1].elapsed >= before.elapsed
    assert lm.history[-1].loss == pytest.approx(lm.result.best.loss)


def test_without_validation_there_is_none():
    assert fastlm.train(TEXT, valid=0, steps=5, **SETTINGS).history == []


def test_a_file_may_say_anything():
    good = {"step": 3, "valid_loss": 2.0}
    for rows in (None, "rows", 3, [3], [{"step": "3", "valid_loss": 2.0}], [{"step": 3}]):
        assert sound_rows({"history": rows}) == []
        assert validations({"history": rows}) == []
    assert validations({}) == []
    first, second, third = validations(
        {"history": [good, {"step": 4, "valid_loss": 1.0, "train_loss": "low"}, good]}
    )
    assert (first.best, second.best, third.best) == (True, True, False)
    assert second.perplexity == math.e
    assert math.isnan(second.train_loss)
    assert math.isnan(first.epoch)
