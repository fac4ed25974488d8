"""Records get the scores that the model gives their texts, by the model of each."""

from __future__ import annotations

import pytest

from fastlm.errors import CorpusError
from fastlm.jobs.scored import ModelSet, Scored
from fastlm.text.records import BadRecord
from tests.inference.models import make_model

from .sources import TEXTS, first_block, reader_of, write_json, write_lines, write_parquet


def scored(path, models, by=None) -> list[Scored]:
    return ModelSet(models, by, threads=1).score(first_block(reader_of(path)))


def test_one_model(tmp_path):
    lm = make_model()
    path = write_lines(tmp_path / "a.txt")
    path.write_bytes(path.read_bytes() + b"\xff\n")
    *found, bad = scored(path, {"": lm})
    assert [each.score for each in found] == list(lm.score(TEXTS))
    assert [each.record.text for each in found] == TEXTS
    assert isinstance(bad.record, BadRecord)
    assert (bad.score, bad.record.raw) == (None, b"\xff")
    assert bad.without.startswith("byte 0xFF")


def test_texts_that_cannot_be_encoded(tmp_path):
    path = write_json(tmp_path / "a.jsonl", ["a", "\ud800", "b"])
    found = scored(path, {"": make_model()})
    assert [each.score is None for each in found] == [False, True, False]
    assert "lone surrogate" in found[1].without


def test_a_model_for_each_language(tmp_path):
    models = {"en": make_model(), "de": make_model(seed=1)}
    for path in (write_json(tmp_path / "a.jsonl"), write_parquet(tmp_path / "a.parquet")):
        block = first_block(reader_of(path))
        found = ModelSet(models, "lang", threads=1).score(block)
        for number, each in enumerate(found):
            assert each.model == ("en" if number % 2 else "de")
            assert [each.score] == list(models[each.model].score([TEXTS[number]]))
        only = ModelSet({"en": models["en"]}, "lang").score(block)
        assert [each.score is None for each in only[:4]] == [True, False, True, False]
        assert only[0].without == "no model for 'de'"
    with pytest.raises(CorpusError, match=r"no column 'language' \(it has 'id', 'text', 'lang'\)"):
        scored(path, models, "language")
    (none, *_) = scored(write_json(tmp_path / "b.jsonl"), models, "language")
    assert none.without == "no model for None"


def test_nulls(tmp_path):
    path = write_parquet(tmp_path / "a.parquet", ["a", None])
    one, none = scored(path, {"": make_model()})
    assert one.score is not None
    assert (none.score, none.without, none.record.text) == (None, "no text", None)
