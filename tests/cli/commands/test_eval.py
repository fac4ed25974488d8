"""`fastlm eval`: the pinned figures, as a table and as JSON."""

from __future__ import annotations

import io
import json
import sys

import pytest

from fastlm.api.language_model import LanguageModel

from ..conftest import TEXT, assert_one_line, make_model

KEYS = [
    "tokens",
    "oov",
    "chars",
    "bytes",
    "nats_per_token",
    "perplexity",
    "bits_per_char",
    "bits_per_byte",
]


def test_json_is_alone_and_has_the_pinned_keys(run, model, corpus):
    outcome = run("eval", model, corpus, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    figures = json.loads(outcome.out)
    assert list(figures) == KEYS
    assert figures == LanguageModel.load(model).evaluate(TEXT).to_dict()
    assert figures["chars"] == figures["bytes"] == len(TEXT)


def test_table_shows_the_same_figures(run, model, corpus):
    outcome = run("eval", model, corpus)
    figures = LanguageModel.load(model).evaluate(TEXT).to_dict()
    rows = dict(line.rsplit(maxsplit=1) for line in outcome.out.splitlines())
    assert [name.replace(" ", "_") for name in rows] == KEYS
    assert rows["tokens"] == f"{figures['tokens']:,}"
    assert float(rows["perplexity"]) == pytest.approx(figures["perplexity"], abs=1e-4)


def test_table_shows_the_share_of_unknown_tokens(run, model, tmp_path):
    text = tmp_path / "other.txt"
    text.write_text("the fox %% the")  # 2 of 14 characters are unknown
    outcome = run("eval", model, text)
    (line,) = (line for line in outcome.out.splitlines() if line.startswith("oov"))
    assert line.split() == ["oov", "2", "(14.29%", "unknown)"]


def test_several_files_are_taken_together(run, model, corpus, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("the lazy fox")
    both = json.loads(run("eval", model, corpus, other, "--json").out)
    assert both["chars"] == len(TEXT) + 12
    assert both == LanguageModel.load(model).evaluate([TEXT, "the lazy fox"]).to_dict()


def test_documents_are_those_of_the_model_unless_said(run, model, corpus, tmp_path):
    lines = tmp_path / "lines.safetensors"
    make_model(documents="lines").save(lines)
    as_lines = json.loads(run("eval", lines, corpus, "--json").out)
    assert as_lines["tokens"] == len(TEXT)  # each line's end symbol counts as one
    said = json.loads(run("eval", model, corpus, "--json", "--documents", "lines").out)
    assert said == as_lines
    assert said != json.loads(run("eval", model, corpus, "--json").out)


def test_standard_input(run, model, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
    figures = json.loads(run("eval", model, "-", "--json").out)
    assert figures["chars"] == len(TEXT)


def test_bad_input(run, model, corpus, tmp_path):
    empty = tmp_path / "empty.txt"
    empty.touch()
    latin = tmp_path / "latin.txt"
    latin.write_bytes(b"caf\xe9")
    assert_one_line(run("eval", model, "absent.txt"), 1, "absent.txt", "no such file")
    (tmp_path / "folder").mkdir()
    assert_one_line(run("eval", model, "folder"), 1, "the folder folder holds no file")
    assert_one_line(run("eval", model, empty), 1, "empty.txt", "is empty")
    assert_one_line(run("eval", model, latin), 1, "latin.txt", "offset 3")
    assert_one_line(run("eval", corpus, corpus), 1, "corpus.txt")
    assert_one_line(run("eval", model, corpus, "--documents", "pages"), 1, "pages", "paragraphs")


def test_text_is_read_as_in_training(run, model, tmp_path):
    plain = tmp_path / "plain.txt"
    plain.write_text("thé fox\n", encoding="utf-8")
    expected = run("eval", model, plain, "--json").out
    for data, options in (
        ("thé fox\n".encode("latin-1"), ("--encoding", "latin-1")),
        (b'{"body": "th\\u00e9 fox\\n"}\n', ("--field", "body")),
        (b'{"body": "th\\u00e9 fox\\n"}\n{}\n', ("--field", "body", "--skip-bad")),
    ):
        (tmp_path / "other.txt").write_bytes(data)
        assert run("eval", model, "other.txt", "--json", *options).out == expected
    (tmp_path / "other.txt").write_bytes(b"th\xff fox\n")
    figures = json.loads(run("eval", model, "other.txt", "--json", "--errors", "replace").out)
    assert (figures["chars"], figures["oov"]) == (8, 1)


def test_a_store_holds_no_text_to_read(run, model, corpus):
    assert run("prepare", corpus, "-o", "a.tokens", "--tokenizer-from", model, "-q").code == 0
    for options in (("--field", "body"), ("--skip-bad",), ("--errors", "replace")):
        assert_one_line(run("eval", model, "a.tokens", *options), 1, "has no effect on a.tokens")


def test_a_warning_where_much_is_unknown(run, model, tmp_path):
    (tmp_path / "a.txt").write_text("Привет, fox", encoding="utf-8")
    outcome = run("eval", model, "a.txt", "--json")
    assert outcome.code == 0
    assert outcome.err.startswith("warning: 55% of the tokens are unknown to the model's voc")
    assert len(outcome.err.splitlines()) == 1


def test_a_cache_adds_the_adaptive_figure(run, model, corpus):
    outcome = run("eval", model, corpus, "--json", "--cache", "50")
    figures = json.loads(outcome.out)
    assert list(figures) == [*KEYS, "perplexity_adaptive"]
    lines = run("eval", model, corpus, "--cache", "50").out.splitlines()
    assert lines[-1].startswith("perplexity adaptive")
    assert_one_line(run("eval", model, corpus, "--cache", "0"), 1, "cache")
