"""`fastlm plot`: runs and scored files, as pictures and as lines."""

from __future__ import annotations

import importlib.util
import json
import xml.etree.ElementTree as ET

import pytest

from ..conftest import SMALL, assert_one_line


@pytest.fixture
def trained(run, corpus, tmp_path):
    more = ("--valid", "0.2", "--sample-every", "20 steps")
    assert run("train", corpus, *SMALL, "--steps", "40", *more).code == 0
    return tmp_path / "model.safetensors"


@pytest.fixture
def scores(tmp_path):
    path = tmp_path / "scores.jsonl"
    rows = [{"text": str(n), "perplexity": float(n), "chars": 3} for n in range(1, 101)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def svg_texts(path):
    return [e.text for e in ET.parse(path).iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("file", ["model.safetensors", "model.metrics.jsonl"])
def test_a_run_in_the_terminal(run, trained, file):
    outcome = run("plot", file)
    assert outcome.code == 0, outcome.err
    lines = outcome.out.splitlines()
    assert lines[0].startswith("model  ")
    assert "training (means of about " in lines[0]
    assert any(line.startswith("step 40     ") for line in lines)
    assert any(line.endswith("  steps") for line in lines)
    assert max(map(len, lines)) <= 88
    assert run("plot", file, "--by", "minutes").out.count("minutes") == 1


def test_a_run_as_a_picture(run, trained, tmp_path):
    outcome = run("plot", trained, "model.checkpoint.safetensors", "-o", "c.svg")
    assert (outcome.code, outcome.out) == (0, "picture     c.svg\n")
    shown = svg_texts(tmp_path / "c.svg")
    assert {"steps", "minutes of training"} <= set(shown)
    assert any("fastlm " in text for text in shown)


def test_scores(run, scores, tmp_path):
    out = run("plot", scores, "--threshold", "25").out
    assert out.startswith("25 of 100 (25.0%) are at most 25; 75 are above\n")
    assert "▲ 25" in out
    outcome = run("plot", scores, "--threshold", "25", "-o", "h.svg")
    assert "75 are above" in outcome.out
    assert "perplexity of scores.jsonl" in svg_texts(tmp_path / "h.svg")
    assert run("plot", scores, "--figure", "chars").code == 0


def test_what_is_refused(run, trained, scores, tmp_path, monkeypatch):
    assert_one_line(run("plot", "absent.safetensors"), 1, "no file absent")
    assert_one_line(run("plot", "absent.jsonl"), 1, "no file absent")
    assert_one_line(run("plot", "corpus.txt"), 1, "corpus.txt", "name a model")
    assert_one_line(run("plot", tmp_path), 1, "holds no run")
    assert_one_line(run("plot", scores, trained), 1, "one file is shown at a time")
    assert_one_line(run("plot", scores, "--figure", "bits"), 1, "it has perplexity, chars")
    assert_one_line(run("plot", scores, "--by", "steps"), 1, "--by is for runs")
    assert_one_line(run("plot", trained, "--threshold", "1"), 1, "--threshold is for scored")
    assert_one_line(run("plot", trained, "--by", "hours"), 1, "--by", "minutes")
    assert_one_line(run("plot", trained, "-o", "c.gif"), 1, ".svg")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert_one_line(run("plot", trained, "-o", "c.png"), 1, "pip install matplotlib")


def test_a_model_without_losses(run, model):
    assert_one_line(run("plot", model), 1, "no losses to plot", "--valid")


@pytest.mark.thorough
def test_a_png_and_a_pdf(run, trained, tmp_path):
    pytest.importorskip("matplotlib")
    for name, start in (("c.png", b"\x89PNG"), ("c.pdf", b"%PDF")):
        assert run("plot", trained, "-o", name).code == 0
        assert (tmp_path / name).read_bytes().startswith(start)
