"""`fastlm report`: a page where it was asked for, and nothing of another kind replaced."""

from __future__ import annotations

from fastlm.cli.commands.report import is_page

from ..conftest import TEXT, assert_one_line


def test_a_report(run, model, corpus, tmp_path):
    for _ in range(2):  # its own page is replaced
        outcome = run("report", model, "-o", "run.html", "--text", corpus, "-p", "the ")
        assert outcome.code == 0, outcome.err
        assert outcome.out.startswith("saved       run.html, ")
    assert is_page(tmp_path / "run.html")
    text = (tmp_path / "run.html").read_text(encoding="utf-8")
    assert f"{len(TEXT):,} tokens" in text


def test_what_is_refused(run, model, corpus):
    assert_one_line(run("report", model, "-o", "corpus.txt"), 1, "is not a page of fastlm")
    assert_one_line(run("report", "absent", "-o", "r.html"), 1, "no file absent")
    assert_one_line(run("report", model, "-o", "no/r.html"), 1, "no such folder")
    assert_one_line(run("report", model, "-o", "r.html", "--text", "absent"), 1, "absent")
    assert run("report", model).code == 2
