"""`fastlm calibrate`, and what `fastlm score` makes of it."""

from __future__ import annotations

import json

from ..conftest import TEXT, assert_one_line

LINES = [TEXT[start : start + 20].replace("\n", " ") for start in range(60)]


def test_a_sample_decides_what_is_kept(run, model, tmp_path):
    (tmp_path / "a.txt").write_text("".join(f"{line}\n" for line in LINES))
    outcome = run("calibrate", model, "a.txt", "-o", "c.json")
    assert outcome.code == 0
    assert outcome.out.startswith("texts       60\nquantiles   perplexity 10 %: ")
    assert outcome.out.endswith("written to  c.json\n")
    kept = run("score", model, "a.txt", "--keep-percentile", 40, "--calibrate", "c.json").out
    assert abs(len(kept.splitlines()) - 24) <= 1
    assert set(kept.splitlines()) < set(LINES)
    outcome = run("calibrate", model, "a.txt", "-o", "c.json", "--figure", "bits_per_char")
    assert "bits_per_char 10 %" in outcome.out
    assert json.loads((tmp_path / "c.json").read_text())["figure"] == "bits_per_char"


def test_what_is_refused(run, model, tmp_path):
    (tmp_path / "a.txt").write_text("the fox\n")
    (tmp_path / "b.txt").write_text("\n\n")
    refused = "is not a calibration of fastlm"
    assert_one_line(run("calibrate", model, "a.txt", "-o", "b.txt"), 1, "b.txt exists", refused)
    assert_one_line(run("calibrate", model, "b.txt"), 1, "no text with a perplexity")
    assert_one_line(run("calibrate", model, "a.txt", "--figure", "x"), 1, "--figure", "perplexity")
    assert_one_line(run("calibrate", model, "gone.txt"), 1, "gone.txt: no such file")
    assert not (tmp_path / "calibration.json").exists()
