"""Running the command line inside the test process, and something to run it on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fastlm.api.language_model import LanguageModel
from fastlm.cli import main
from fastlm.config import ModelConfig
from fastlm.model.layout import Layout
from fastlm.tokenizers import build_tokenizer

TEXT = "the quick brown fox jumps over the lazy dog.\nand then it sleeps, (once more)!\n" * 6

SMALL = ("--context", "3", "--embed", "4", "--hidden", "8", "--batch", "8", "--threads", "1")


@dataclasses.dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


Run = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def no_second_compiler(monkeypatch):
    """Start no process that compiles ahead, which a test would leave running."""
    monkeypatch.setattr("fastlm.engine.precompile.start_compiling", lambda *_: None)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch, tmp_path) -> Run:
    """Run `fastlm` with arguments, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def make_model(documents: str = "file", kind: str = "char", **options: bool) -> LanguageModel:
    tokenizer = build_tokenizer(kind, [TEXT], **options)
    config = ModelConfig(
        vocab=tokenizer.vocab_size,
        context=3,
        embed=4,
        hidden=(8,),
        boundary=tokenizer.boundary_id,
    )
    rng = np.random.default_rng(0)
    params = rng.normal(0, 0.5, Layout(config).size).astype(np.float32)
    return LanguageModel(config, params, tokenizer, documents=documents)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A small model with random weights."""
    path = tmp_path / "random.safetensors"
    make_model().save(path)
    return path


def assert_one_line(outcome: Outcome, code: int, *parts: str) -> None:
    """Check that a run failed with one line that names all of ``parts``, and nothing else."""
    assert outcome.code == code, outcome
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    assert outcome.err.startswith("error: "), outcome.err
    assert len(outcome.err.splitlines()) == 1, outcome.err
    for part in parts:
        assert part in outcome.err
