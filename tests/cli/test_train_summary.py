"""What `fastlm train` says at its end."""

from __future__ import annotations

import io
import math
import shlex
import sys
from pathlib import Path

import pytest

from fastlm.callbacks import Result, Start, Validation
from fastlm.cli.train_summary import summarise
from fastlm.config import TrainingConfig

from .conftest import TEXT, make_model


def summary(lm, path, capsys, *, sample: bool = True, loss: float | None = 2.0) -> str:
    best = None if loss is None else Validation(20, 1.0, 1.0, loss, math.exp(loss), 1.9, True)
    lm.result = Result("finished", 20, 1.0, 1.0, 160, 160.0, 1.9, best)
    lm.details = {} if loss is None else {"valid_loss": loss}
    lm.save(path)
    summarise(lm, path, None, sample=sample)
    return capsys.readouterr().out


def test_a_model_of_characters(tmp_path, capsys):
    path = tmp_path / "my model.safetensors"
    text = summary(make_model(), path, capsys)
    first, second, third, *rest = text.splitlines()
    assert first == "validation  2.885 bits/char, perplexity 7.39, loss 2.0000 nats per token"
    assert second.startswith(f"saved       {path}, ")
    assert second.endswith(" kB")
    assert third == "sample"
    *sample, title, generate, evaluate = rest
    assert all(line.startswith("  ") or not line for line in sample)
    assert title == "next"
    # This model has no capital T, so no prompt is proposed.
    assert shlex.split(generate) == ["fastlm", "generate", str(path), "--prompt", "TEXT"]
    assert shlex.split(evaluate) == ["fastlm", "eval", str(path), "FILE"]
    assert summary(make_model(), path, capsys) == text


@pytest.mark.parametrize("loss", [None, 2.0])
def test_words_without_a_sample(tmp_path, capsys, loss):
    text = summary(make_model(kind="word"), tmp_path / "m", capsys, sample=False, loss=loss)
    assert "sample" not in text.splitlines()
    assert "bits/" not in text
    assert ("validation  perplexity 7.39" in text) == (loss is not None)


def test_a_sample_on_a_terminal_has_no_control_characters(tmp_path, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    lm = make_model(kind="byte")
    lm.result = Result("finished", 20, 1.0, 1.0, 160, 160.0, 1.9, None)
    lm.save(tmp_path / "m")
    summarise(lm, tmp_path / "m", None, sample=True)
    assert "\\u00" in terminal.getvalue()
    assert not set(terminal.getvalue()) & set(
        map(chr, [*range(9), *range(11, 32), *range(127, 160)])
    )


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_lines_fit_a_terminal(tmp_path, monkeypatch, columns):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    monkeypatch.chdir(tmp_path)
    lm = make_model()
    best = Validation(20, 1.0, 1.0, 2.0, math.exp(2.0), 1.9, True)
    lm.result = Result("finished", 20, 1.0, 1.0, 160, 160.0, 1.9, best, "m.checkpoint.safetensors")
    lm.save("m.safetensors")
    start = Start(
        lm.config, TrainingConfig(), 4, 100, 50, 20, 2, False, corpus="a.txt (1.0 kB)",
        valid_ids=lm.tokenizer.encode(TEXT),
    )  # fmt: skip
    Path("m.metrics.jsonl").write_text("")
    summarise(lm, Path("m.safetensors"), start, sample=True)
    lines = terminal.getvalue().splitlines()
    assert max(map(len, lines)) < columns
    assert "            m.metrics.jsonl, losses, as JSON lines" in lines
    assert not any("m.checkpoint" in line for line in lines)  # there is no such file
    assert any(line.startswith("  2.885 bits per character on ") for line in lines)


def test_files_of_an_earlier_run_are_not_named(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("m.metrics.jsonl").write_text("")
    assert "m.metrics.jsonl" not in summary(make_model(), Path("m.safetensors"), capsys)
