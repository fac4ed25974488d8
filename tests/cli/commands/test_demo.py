"""`fastlm demo`: a page with the model in it, and one line for what it cannot hold."""

from __future__ import annotations

from tests.inference.mixtures import make_mixture

from ..conftest import assert_one_line


def test_a_demo(run, model, tmp_path):
    outcome = run("demo", model, "-o", "d.html", "--prompt", "the ")
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("saved       d.html\n            ")
    assert "weights as float32" in outcome.out
    assert "<h1>random</h1>" in (tmp_path / "d.html").read_text(encoding="utf-8")
    outcome = run("demo", model, "-o", "d.html", "--half", "--title", "Mine")
    assert "float16; in 64 contexts a probability is off by at most" in " ".join(
        outcome.out.split()
    )


def test_what_is_refused(run, model, corpus, tmp_path):
    make_mixture("counts").save(tmp_path / "m.safetensors")
    assert_one_line(run("demo", "m.safetensors", "-o", "d.html"), 1, "without --counts-only")
    assert_one_line(run("demo", model, "-o", "corpus.txt"), 1, "is not a page of fastlm")
    assert_one_line(run("demo", "absent", "-o", "d.html"), 1, "no file absent")
