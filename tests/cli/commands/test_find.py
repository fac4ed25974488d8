"""`fastlm find`: where a text stands in a store, and what of a sample is copied."""

from __future__ import annotations

import json

import pytest

from ..conftest import TEXT, assert_one_line


@pytest.fixture
def store(run, corpus):
    assert run("prepare", corpus, "-o", "a.tokens", "--documents", "lines", "-q").code == 0
    assert run("index", "a.tokens", "-q").code == 0
    return corpus.with_name("a.tokens")


def test_the_longest_part_and_where_it_stands(run, store):
    outcome = run("find", store, "a quick brown fox jumps high")
    assert (outcome.code, outcome.err) == (0, "")
    assert "' quick brown fox jumps ' (23 characters, 23 tokens, 6 times)" in outcome.out
    assert "document 1, token 3 (3 of" in outcome.out
    assert "the[ quick brown fox jumps ]over" in outcome.out
    form = json.loads(run("find", store, "a quick brown fox", "--json", "--places", "2").out)
    (match,) = form["matches"]
    assert (match["text"], match["count"], len(match["places"])) == (" quick brown fox", 6, 2)


def test_what_is_copied_of_a_sample(run, store, tmp_path):
    sample = tmp_path / "sample.txt"
    sample.write_text("QQQ the lazy dog.\nand then it sleeps, (once QQQ", encoding="utf-8")
    outcome = run("find", store, "--file", sample, "--least", "12")
    assert outcome.out.startswith("copied      ")
    form = json.loads(run("find", store, "--file", sample, "--least", "12", "--json").out)
    assert [match["text"] for match in form["matches"]] == [
        "and then it sleeps, (once ", " the lazy dog.",
    ]  # fmt: skip
    assert form["copied"] == pytest.approx(40 / len(sample.read_text(encoding="utf-8")))
    all_of_it = run("find", store, "--file", "corpus.txt", "--json", "--top", "1")
    assert json.loads(all_of_it.out)["copied"] > 0.9
    assert TEXT.startswith(json.loads(all_of_it.out)["matches"][0]["text"][:20])


def test_nothing_found_is_exit_code_1(run, store, tmp_path):
    outcome = run("find", store, "QQQ")
    assert (outcome.code, outcome.err) == (1, "")
    assert "nothing" in outcome.out
    sample = tmp_path / "sample.txt"
    sample.write_text("QQQ the", encoding="utf-8")
    assert run("find", store, "--file", sample).code == 1


def test_what_it_cannot_do_is_refused(run, store, corpus, tmp_path):
    assert_one_line(run("find", store), 2, "either TEXT or --file")
    assert_one_line(run("find", store, "a", "--file", corpus), 2, "either TEXT or --file")
    assert_one_line(run("find", store, "a", "--top", "0"), 1, "--top")
    assert_one_line(run("find", store, "a", "--around", "-1"), 1, "--around")
    assert_one_line(run("find", corpus, "a"), 1, "not a token store")
    assert_one_line(run("find", store, "a", "--index", corpus), 1, "is no index")
    assert_one_line(run("find", store, "--file", "none"), 1, "no such file")
    (tmp_path / "a.tokens.index").unlink()
    assert_one_line(run("find", store, "a"), 1, "no such index", "fastlm index")
