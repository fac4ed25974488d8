"""`fastlm rescore`: lines in, lines out, in order, and one line for what is wrong."""

from __future__ import annotations

import io

import pytest

from fastlm.api.language_model import LanguageModel

from ..conftest import assert_one_line


@pytest.fixture
def nbest(run, tmp_path):
    path = tmp_path / "nbest"
    path.write_text("u1-1 the fox\nu1-2 the box\nu2-1\nu2-2 a dog\n")
    return path


def test_a_list_of_kaldi(run, model, nbest):
    outcome = run("rescore", model, nbest, "--lm-weight", "0.5", "--word-bonus", "1")
    assert (outcome.code, outcome.err) == (0, "")
    lm = LanguageModel.load(model)
    for line, text in zip(
        outcome.out.splitlines(), ["the fox", "the box", "", "a dog"], strict=True
    ):
        (score,) = lm.score([text], count_end=True)
        assert float(line.split()[1]) == pytest.approx(
            0.5 * score.log_prob + len(text.split()), abs=1e-5
        )
    assert [line.split()[0] for line in outcome.out.splitlines()] == [
        "u1-1", "u1-2", "u2-1", "u2-2",
    ]  # fmt: skip


def test_standard_input_and_an_output(run, model, monkeypatch, tmp_path):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"u\t1\tthe\nu\t2\ta\n")))
    outcome = run("rescore", model, "-", "--format", "tsv", "--best", "--lm-weight", "0", "-o", "o")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
    assert (tmp_path / "o").read_text() == "u\t2\ta\n"
    (tmp_path / "n.tsv").write_text("u\t1\tthe\n")
    assert_one_line(run("rescore", model, "n.tsv", "-o", "o"), 1)
    assert run("rescore", model, "n.tsv", "-o", "o", "--force", "--best").code == 0
    assert (tmp_path / "o").read_text() == "u\t1\tthe\n"


def test_tuned_weights_are_told(run, model, nbest, tmp_path):
    (tmp_path / "ref").write_text("u1 the fox\nu2 a dog\n")
    outcome = run("rescore", model, nbest, "--tune", "ref", "--best")
    assert outcome.code == 0
    assert [line.split()[0] for line in outcome.out.splitlines()] == ["u1", "u2"]
    assert outcome.err.startswith("tuned on 2 utterances, 4 words: --lm-weight ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("no-such-file",),
        ("nbest", "--format", "kaldy"),
        ("nbest", "--lm-weight", "-1"),
        ("nbest", "-o", "no/such/folder"),
        ("nbest", "-o", ".", "--force"),
        ("nbest", "--tune", "ref"),
        ("nbest", "--tune", "nbest", "--word-bonus", "1"),
        ("nbest", "--costs", "nbest"),
        ("nbest", "--format", "tsv"),
        ("nbest", "--format", "jsonl"),
    ],
)
def test_what_cannot_be_used_is_refused(run, model, nbest, arguments):
    assert_one_line(run("rescore", model, *arguments), 1)
