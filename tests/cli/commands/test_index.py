"""`fastlm index`: an index beside its store."""

from __future__ import annotations

import pytest

from ..conftest import assert_one_line


@pytest.fixture
def store(run, corpus):
    assert run("prepare", corpus, "-o", "a.tokens", "--documents", "lines", "-q").code == 0
    return corpus.with_name("a.tokens")


def test_it_writes_an_index_and_says_what_is_next(run, store, tmp_path):
    outcome = run("index", store)
    assert outcome.code == 0
    assert "fastlm find" in outcome.out
    size = (tmp_path / "a.tokens.index").stat().st_size
    assert (size - 64) % 4 == 0
    assert run("index", store, "-o", "b.idx", "-q").out == ""
    assert (tmp_path / "b.idx").read_bytes() == (tmp_path / "a.tokens.index").read_bytes()


def test_what_is_no_store_is_refused(run, store, corpus, tmp_path):
    assert_one_line(run("index", corpus), 1, "not a token store", "fastlm prepare")
    assert_one_line(run("index", "none"), 1, "no such file")
    assert_one_line(run("index", store, "-o", corpus), 1, "not overwritten")
    assert_one_line(run("index", store, "-o", tmp_path / "none" / "x"), 1, "no such folder")
