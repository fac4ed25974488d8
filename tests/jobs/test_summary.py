"""A summary that was saved and continued is that of all records at once."""

from __future__ import annotations

import json
import math

import pytest

from fastlm.errors import ConfigError
from fastlm.jobs.scored import Scored
from fastlm.jobs.summary import Summary
from fastlm.text.records import BadRecord, Record
from tests.inference.models import make_model

from .sources import TEXTS


def test_counts_sums_and_quantiles(tmp_path):
    lm = make_model()
    scores = list(lm.score(TEXTS))
    records = [
        Scored(Record(1, b"", b"", text), score) for text, score in zip(TEXTS, scores, strict=True)
    ]
    bad = Scored(BadRecord(2, "bad"), None, without="bad")
    whole = Summary()
    whole.add([*records, bad], 40, {"above": 7, "bad": 1})
    parts = Summary()
    parts.add(records[:9], 9, {})
    parts = Summary.from_state(json.loads(json.dumps(parts.state())))
    parts.add([*records[9:], bad], 31, {"above": 7, "bad": 1})
    found = whole.to_dict()
    assert parts.to_dict() == {**found, "log_prob": pytest.approx(found["log_prob"]),
                               "mean_nats": pytest.approx(found["mean_nats"]),
                               "perplexity": pytest.approx(found["perplexity"])}  # fmt: skip
    assert (found["records"], found["kept"], found["scored"]) == (48, 40, 47)
    assert found["rejected"] == {"above": 7, "bad": 1}
    evaluation = lm.evaluate([text for text in TEXTS if text])
    assert found["perplexity"] == pytest.approx(evaluation.perplexity)
    assert found["tokens"] == evaluation.tokens
    middle = sorted(score.perplexity for score in scores if not math.isnan(score.perplexity))[23]
    assert found["perplexity_quantiles"]["50"] == pytest.approx(middle, rel=2e-2)
    whole.write(tmp_path / "s.json")
    assert json.loads((tmp_path / "s.json").read_text()) == found
    with pytest.raises(ConfigError, match="cannot write the summary"):
        whole.write(tmp_path)


def test_nothing():
    found = Summary().to_dict()
    assert (found["records"], found["perplexity"], found["mean_nats"]) == (0, None, None)
    assert set(found["perplexity_quantiles"].values()) == {None}
