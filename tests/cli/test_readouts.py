"""`fastlm score --explain`, `--color`, `--strip`, `--alert` and `--follow`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fastlm.api.language_model import LanguageModel

from .conftest import assert_one_line, make_model

TEXTS = ["the quick brown fox", "", "zzzz é", "  the end "]


@pytest.fixture
def names(tmp_path):
    path = tmp_path / "names.safetensors"
    make_model(documents="lines").save(path)
    return path


@pytest.fixture
def lines(tmp_path):
    path = tmp_path / "in.txt"
    path.write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    return path


def test_in_a_pipe_spans_are_json(run, names, lines, tmp_path):
    outcome = run("score", names, lines, "--explain")
    assert (outcome.code, outcome.err) == (0, "")
    found = [json.loads(line) for line in outcome.out.splitlines()]
    lm = LanguageModel.load(names)
    assert found == [each.to_dict() for each in lm.explain(TEXTS)]
    assert run("score", names, lines, "--explain", "-o", "out.jsonl").code == 0
    assert (tmp_path / "out.jsonl").read_text(encoding="utf-8") == outcome.out
    chosen = run("score", names, lines, "--explain", "--columns", "perplexity", "--prefix", "x_")
    assert list(json.loads(chosen.out.splitlines()[0])) == ["text", "x_perplexity", "x_spans"]


def test_records_keep_their_fields(run, names, tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text('{"id": 7, "text": "the fox"}\n', encoding="utf-8")
    (found,) = run("score", names, path, "--explain").out.splitlines()
    assert found.startswith('{"id": 7, "text": "the fox", ')
    assert json.loads(found)["spans"][0]["text"] == "t"
    # The first has none before it.
    assert run("score", names, path, "--explain", "--alert", "0", "--json").out == ""


def test_colours_go_wherever_they_are_asked_for(run, names, lines, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    outcome = run("score", names, lines, "--color")
    assert outcome.code == 0
    assert "\x1b[" in outcome.out
    assert len(outcome.out.splitlines()) == len(TEXTS)


def test_a_page_and_a_picture(run, names, lines, tmp_path):
    assert run("score", names, lines, "--explain", "-o", "a.html", "--strip", "a.svg").out == ""
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    assert page.count("perplexity") == len(TEXTS)
    assert 'title="' in page
    assert "prefers-color-scheme" in (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert_one_line(run("score", names, lines, "--strip", "a.svg"), 1, "--force")
    assert run("score", names, lines, "--strip", "a.svg", "--force").out == ""
    many = tmp_path / "many.txt"
    many.write_text("the fox\n" * 100, encoding="utf-8")
    assert run("score", names, many, "--strip", "b.svg").code == 0
    text = "".join(ElementTree.parse(tmp_path / "b.svg").getroot().itertext())
    assert "first 40 texts" in text


def test_alerts_are_lines_with_their_percentile(run, names, tmp_path):
    path = tmp_path / "log"
    path.write_text("the fox\n" * 60 + "zq@zq@\n" + "the fox\n", encoding="utf-8")
    outcome = run("score", names, path, "--alert", "95")
    assert (outcome.code, outcome.err) == (0, "")
    perplexity, percentile, line = outcome.out.rstrip("\n").split("\t")
    assert (percentile, line) == ("100.00", "zq@zq@")
    assert float(perplexity) > 1
    found = json.loads(run("score", names, path, "--alert", "95", "--json").out)
    assert (found["text"], found["percentile"]) == ("zq@zq@", 100)
    run("calibrate", names, path, "-o", "c.json")
    assert run("score", names, path, "--alert", "98", "--calibrate", "c.json").out.count("\n") == 1


def test_the_least_percentile_is_a_number_like_any_other(run, names, lines):
    outcome = run("score", names, lines, "--alert", "0")
    assert outcome.code == 0
    assert len(outcome.out.splitlines()) >= 1


def test_too_few_lines_for_an_alert_are_told(run, names, lines):
    outcome = run("score", names, lines, "--alert", "99")
    assert outcome.out == ""
    assert "99 needs 100" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--explain", "--resume"], ["--resume does not go with --explain"]),
        (["--follow", "--shard", "1/2"], ["--shard does not go with --follow"]),
        (["--alert", "9", "--models", "a=b", "--by", "c"], ["--models"]),
        (["--alert", "9", "--calibrate", "first"], ["--calibrate FILE"]),
        (["--alert", "100"], ["--alert is 100"]),
        (["--follow", "--explain", "-o", "a.html"], ["-o needs an end"]),
        (["--follow", "--strip", "a.svg"], ["--strip needs an end"]),
        (["--strip", "a.png"], [".svg"]),
        (["--explain", "-o", "a.txt"], [".html or .jsonl"]),
        (["--alert", "9", "-o", "a.jsonl"], ["--explain"]),
        (["--color", "-o", "a.html"], ["--color"]),
        (["--color", "--json"], ["leave one out"]),
        (["--color", "--columns", "perplexity"], ["--json"]),
        (["--explain", "--columns", "nothing"], ["choose from"]),
        (["--explain", "-o", "none/a.html"], ["no such folder"]),
        (["--explain", "--calibrate", "c"], ["--alert"]),
    ],
)
def test_what_it_cannot_do_is_refused(run, names, lines, arguments, parts):
    assert_one_line(run("score", names, lines, *arguments), 1, *parts)


def test_follow_needs_one_file(run, names, lines):
    assert_one_line(run("score", names, "--follow"), 1, "standard input")
    assert_one_line(run("score", names, lines, lines, "--follow"), 1, "one file")


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_a_log_is_followed_until_ctrl_c(names, tmp_path):
    log = tmp_path / "app.log"
    log.write_text("the fox\n" * 40, encoding="utf-8")
    command = [sys.executable, "-m", "fastlm", "score", str(names), "--follow", str(log)]
    process = subprocess.Popen(
        [*command, "--alert", "95"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout is not None
    try:
        added = 0
        # The first lines may come while it starts; then they are counted only.
        while process.poll() is None and not _readable(process.stdout):
            added += 1
            with log.open("a", encoding="utf-8") as file:
                file.write("the fox\n" * 20 + f"zq@zq@{added}\n")
            time.sleep(0.5)
            assert added < 240
        assert process.stdout.readline().split(b"\t")[2].startswith(b"zq@zq@")
        log.rename(tmp_path / "app.log.1")
        Path(log).write_text("the fox\nqz@qz@new\n", encoding="utf-8")
        while b"new" not in process.stdout.readline():
            pass
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130
    assert b"Traceback" not in errors
    assert b"was replaced" in errors


def _readable(pipe) -> bool:
    import select

    return bool(select.select([pipe], [], [], 0)[0])
