"""Lists of hypotheses: what a line holds, whose it is, and what is no line."""

from __future__ import annotations

import json

import pytest

from fastlm.errors import ConfigError, CorpusError
from fastlm.jobs.nbest import (
    Hypothesis,
    check_format,
    format_of,
    read_costs,
    read_nbest,
    read_references,
    scored_line,
    utterances,
)


def test_a_line_of_kaldi_is_an_utterance_and_words():
    text = "utt-1 the cat\nutt-2\nutt-3  a \u2028 b \nu-4\tx y\n"
    found = read_nbest(text, "kaldi", "n")
    assert [(each.key, each.text) for each in found] == [
        ("utt-1", "the cat"), ("utt-2", ""), ("utt-3", "a \u2028 b"), ("u-4", "x y"),
    ]  # fmt: skip
    assert scored_line("kaldi", found[0], -3.5, 2, -1.25) == "utt-1 -1.250000"


def test_a_line_of_tabs():
    found = read_nbest("u\t-3.5\tthe cat\nu\t\n", "tsv", "n")
    assert [each[:3] for each in found] == [("u", "the cat", -3.5), ("u", "", 0.0)]
    assert scored_line("tsv", found[0], -2, 2, -5.5) == "u\t-3.5\tthe cat\t-2.000000\t-5.500000"


def test_a_line_of_json():
    line = json.dumps({"utt": 7, "score": -1, "text": "ü", "prefix": "a ", "more": [1]})
    (found,) = read_nbest(line, "jsonl", "n")
    assert found == Hypothesis("7", "ü", -1.0, "a ", line)
    scored = json.loads(scored_line("jsonl", found, -2.5, 1, -3.5))
    assert scored == json.loads(line) | {"lm_log_prob": -2.5, "words": 1, "total": -3.5}


@pytest.mark.parametrize(
    ("form", "text", "message"),
    [
        ("kaldi", "a b\n\nc d\n", "n, line 2 is blank"),
        ("tsv", "a\n", "line 1 has 1 fields"),
        ("tsv", "a\tb\tc\td\n", "has 4 fields"),
        ("tsv", "a\tone\tc\n", "the score is 'one'; give a number"),
        ("tsv", "a\tnan\tc\n", "the score is 'nan'"),
        ("jsonl", "{", "line 1"),
        ("jsonl", '{"utt": "a"}', "line 1"),
        ("jsonl", '{"text": "a"}', "utt is None"),
        ("jsonl", '{"utt": true, "text": "a"}', "utt is True"),
        ("jsonl", '{"utt": "a", "text": "a", "score": "x"}', "the score is 'x'"),
        ("jsonl", '{"utt": "a", "text": "a", "prefix": 3}', "prefix is 3"),
        ("jsonl", '{"utt": "a", "text": "a", "total": 3}', "has a field total"),
        ("kaldi", "", "n is empty"),
    ],
)
def test_what_is_no_hypothesis_is_refused(form, text, message):
    with pytest.raises(CorpusError, match=message) as caught:
        read_nbest(text, form, "n")
    assert "\n" not in str(caught.value)


def test_the_utterance_of_a_key():
    assert utterances(["a-1", "a-2", "b-1"]) == ["a", "a", "b"]
    assert utterances(["a-1", "a-1", "b-1"]) == ["a-1", "a-1", "b-1"]
    assert utterances(["a", "b-1"]) == ["a", "b-1"]
    assert utterances(["a-1-1", "b-1"], {"a-1": "", "b-1": ""}) == ["a-1", "b-1"]


def test_references_and_costs():
    assert read_references("a the cat\nb\n", "kaldi", "r") == {"a": "the cat", "b": ""}
    with pytest.raises(CorpusError, match="r has 'a' twice"):
        read_references("a x\na y\n", "kaldi", "r")
    assert read_costs("a-1 3.5\na-2 1e2\n", "c") == {"a-1": 3.5, "a-2": 100.0}
    with pytest.raises(CorpusError, match="c, line 1: the score is ''"):
        read_costs("a-1\n", "c")


def test_formats():
    assert [format_of(n) for n in ("a.tsv", "a.jsonl", "text", "-")] == [
        "tsv", "jsonl", "kaldi", "kaldi",
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="format is 'kaldy'; did you mean kaldi"):
        check_format("format", "kaldy")
