"""Rescoring: the totals of a list in its order, weights, and the best of each utterance."""

from __future__ import annotations

import json

import pytest

from fastlm.errors import ConfigError, CorpusError
from fastlm.jobs.rescoring import Rescoring
from tests.inference.models import make_model

TEXTS = ["the cat", "", "the dog saw it", "a mat"]


@pytest.fixture
def lm():
    return make_model(documents="file")


def log_probs(lm, texts=TEXTS, **how):
    return [score.log_prob for score in lm.score(texts, count_end=True, **how)]


def rescored(tmp_path, lm, lines, name="n.txt", **how):
    (tmp_path / name).write_text("".join(line + "\n" for line in lines))
    return list(Rescoring(nbest=tmp_path / name, **how).lines(lm))


def test_kaldi_keeps_the_first_word_and_the_order(tmp_path, lm):
    lines = [f"u-{n} {text}".rstrip() for n, text in enumerate(TEXTS)]
    found = rescored(tmp_path, lm, lines, lm_weight=0.5, word_bonus=2)
    expected = [
        0.5 * log_prob + 2 * len(text.split())
        for log_prob, text in zip(log_probs(lm), TEXTS, strict=True)
    ]
    assert [line.split()[0] for line in found] == ["u-0", "u-1", "u-2", "u-3"]
    assert [float(line.split()[1]) for line in found] == pytest.approx(expected, abs=1e-6)
    # An empty hypothesis has the price of its end.
    assert expected[1] == pytest.approx(0.5 * lm.step(lm.start(), "<end>")[0], rel=1e-5)
    assert expected[1] < 0


def test_tabs_and_json_get_columns(tmp_path, lm):
    lines = [f"u\t{n}\t{text}" for n, text in enumerate(TEXTS)]
    found = rescored(tmp_path, lm, lines, "n.tsv")
    for line, before, n, log_prob in zip(found, lines, range(4), log_probs(lm), strict=True):
        assert line.startswith(f"{before}\t")
        columns = [float(column) for column in line.split("\t")[3:]]
        assert columns == pytest.approx([log_prob, n + log_prob], abs=1e-5)
    lines = [json.dumps({"utt": "u", "text": " " + t, "prefix": "the"}) for t in TEXTS]
    found = [json.loads(line) for line in rescored(tmp_path, lm, lines, "n.jsonl")]
    expected = log_probs(lm, [" " + text for text in TEXTS], prefixes="the")
    assert [record["lm_log_prob"] for record in found] == pytest.approx(expected)
    assert [record["words"] for record in found] == [2, 0, 4, 2]


def test_costs_count_against_a_line(tmp_path, lm):
    (tmp_path / "ac").write_text("u-1 3.5\nu-2 1\n")
    (tmp_path / "graph").write_text("u-2 2\nu-1 10\n")
    costs = [tmp_path / "ac", tmp_path / "graph"]
    found = rescored(tmp_path, lm, ["u-1 the", "u-2 the"], lm_weight=0, costs=costs)
    assert found == ["u-1 -13.500000", "u-2 -3.000000"]
    with pytest.raises(CorpusError, match="ac has no cost of 'u-3'"):
        rescored(tmp_path, lm, ["u-3 the"], costs=costs)


def test_the_best_of_each_utterance(tmp_path, lm):
    lines = ["a-1 the cat", "a-2 the cat sat on a mat", "b-1 qqqq", "b-2"]
    assert rescored(tmp_path, lm, lines, best=True, word_bonus=100) == [
        "a the cat sat on a mat", "b qqqq",
    ]  # fmt: skip
    assert rescored(tmp_path, lm, lines, best=True)[1] == "b"
    lines = ["u\t5\ta", "u\t9\tb", "v\t1\tc"]
    assert rescored(tmp_path, lm, lines, "n.tsv", best=True, lm_weight=0) == lines[1:]


def test_weights_are_tuned_on_references(tmp_path, lm):
    texts = ["the cat", "the cat sat on a mat", "a mat", "the dog saw it"]
    scores = dict(zip(texts, log_probs(lm, texts), strict=True))
    likely, unlikely = max(scores, key=scores.get), min(scores, key=scores.get)
    # The first pass is wrong by less than the model is sure.
    lines = [f"{u}\t0.5\t{unlikely}" for u in "ab"] + [f"{u}\t0\t{likely}" for u in "ab"]
    (tmp_path / "r.tsv").write_text("".join(f"{u}\t{likely}\n" for u in "ba"))
    told = []
    found = rescored(
        tmp_path, lm, lines, "n.tsv", tune=tmp_path / "r.tsv", best=True, tell=told.append
    )
    assert found == lines[2:]
    (message,) = told
    assert "tuned on 2 utterances" in message
    assert "word error rate 0.00%, without the model" in message
    (tmp_path / "r.tsv").write_text("a\tx\n")
    with pytest.raises(CorpusError, match=r"r.tsv has no text of 'b'"):
        rescored(tmp_path, lm, lines, "n.tsv", tune=tmp_path / "r.tsv")
    (tmp_path / "r.tsv").write_text("a\t\nb\t\n")
    with pytest.raises(CorpusError, match="has no words"):
        rescored(tmp_path, lm, lines, "n.tsv", tune=tmp_path / "r.tsv")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"form": "kaldy"}, "format is 'kaldy'"),
        ({"lm_weight": -1}, "lm_weight is -1"),
        ({"word_bonus": float("nan")}, "word_bonus is nan"),
        ({"form": "tsv", "costs": ["c"]}, "costs are of kaldi"),
        ({"tune": "r", "lm_weight": 1}, "tune chooses the weights"),
        ({"threads": 0}, "threads is 0"),
    ],
)
def test_settings_are_refused(how, message):
    with pytest.raises(ConfigError, match=message):
        Rescoring(nbest="n", **how)


def test_a_text_that_cannot_be_scored_has_its_line(tmp_path):
    from tests.inference.models import CORPUS, model_of
    from tests.tokenizers.samples import mini_tokenizer

    with pytest.raises(CorpusError, match=r"n.txt, line 2: "):
        rescored(tmp_path, model_of(mini_tokenizer([CORPUS])), ["a the", "b zebra"])
