"""`fastlm export`: files for other programs, and nothing of others lost."""

from __future__ import annotations

import gzip
import json

import pytest

from fastlm.api.language_model import LanguageModel

from ..conftest import assert_one_line


@pytest.fixture(params=["onnx", "safetensors", "tokenizer"])
def to(request):
    if request.param == "onnx":
        pytest.importorskip("onnx")
    return request.param


def test_it_writes_and_writes_again(run, model, tmp_path, to):
    path = tmp_path / "out"
    for _ in range(2):
        outcome = run("export", model, "--to", to, "-o", path)
        assert (outcome.code, outcome.err) == (0, "")
        assert outcome.out.startswith(f"saved       {path}, ")
        assert path.stat().st_size > 100


def test_it_does_not_replace_what_is_not_its_own(run, model, tmp_path, to):
    for content in (b"my notes\n" * 30, b"{}"):
        path = tmp_path / "notes"
        path.write_bytes(content)
        outcome = run("export", model, "--to", to, "-o", path)
        assert_one_line(outcome, 1, "notes", "not overwritten", "-o")
        assert path.read_bytes() == content
    path.write_bytes(b"")
    assert run("export", model, "--to", to, "-o", path).code == 0


def test_a_place_that_cannot_be(run, model, tmp_path, to):
    assert_one_line(run("export", model, "--to", to, "-o", tmp_path), 1, "is a folder")
    missing = tmp_path / "none" / "m"
    assert_one_line(run("export", model, "--to", to, "-o", missing), 1, "no such folder")


def test_the_tokenizer_is_its_json_form(run, model, tmp_path):
    run("export", model, "--to", "tokenizer", "--output", tmp_path / "t.json")
    form = json.loads((tmp_path / "t.json").read_text(encoding="ascii"))
    assert form == LanguageModel.load(model).tokenizer.to_dict()


def test_wrong_usage(run, model, tmp_path):
    outcome = run("export", model, "--to", "gguf", "-o", tmp_path / "m")
    assert_one_line(outcome, 1, "'gguf'", "onnx, safetensors, tokenizer")
    outcome = run("export", tmp_path / "absent", "--to", "tokenizer", "-o", tmp_path / "m")
    assert_one_line(outcome, 1, "absent")
    assert_one_line(run("export", model, "-o", tmp_path / "m"), 2, "--to")
    assert_one_line(run("export", model, "--to", "onnx"), 2, "--output")


def test_an_arpa_file_is_written_and_read(run, tmp_path):
    (tmp_path / "t.txt").write_text("the cat sat\non the mat\nthe dog sat\n" * 9)
    how = ["--tokenizer", "whitespace", "--documents", "lines", "--valid", "0"]
    made = run("train", "t.txt", "--counts-only", "--order", "3", *how, "-o", "c", "-q")
    assert made.code == 0
    for name in ("c.arpa", "c.arpa.gz", "c.arpa.gz"):  # one is there already
        outcome = run("export", "c", "--to", "arpa", "-o", name)
        assert (outcome.code, outcome.err) == (0, "")
        assert outcome.out.startswith(f"saved       {name}, ")
        assert run("eval", name, "t.txt").code == 0
    (tmp_path / "c.arpa.gz").write_bytes(gzip.compress(b"my notes"))
    outcome = run("export", "c", "--to", "arpa", "-o", "c.arpa.gz")
    assert_one_line(outcome, 1, "c.arpa.gz", "not overwritten")
    assert_one_line(run("eval", "c.arpa.gz", "t.txt"), 1, "is no ARPA file")
