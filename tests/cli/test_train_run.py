"""The run of `fastlm train`: what continues it, and a model that a full disk does not lose."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest

from fastlm.api.language_model import LanguageModel
from fastlm.cli import train_run
from fastlm.cli.train_run import DEFAULT_OUTPUT, resume_command, resumed_run
from fastlm.errors import ConfigError, FastlmError, ModelFileError

from .conftest import SMALL


def test_the_command_that_continues():
    assert resume_command(DEFAULT_OUTPUT) == "fastlm train --resume"
    assert resume_command(Path("m.safetensors"), ["-"]) == (
        "fastlm train - --resume -o m.safetensors"
    )


@pytest.mark.parametrize("elsewhere", [True, False])
def test_a_full_disk_at_the_end(run, corpus, tmp_path, monkeypatch, elsewhere):
    save = LanguageModel.save
    rescue = tmp_path / "rescue"
    rescue.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(rescue))

    def full(self, path, *arguments, **options):
        if elsewhere and path.parent != tmp_path:
            return save(self, path, *arguments, **options)
        raise ModelFileError(f"cannot write the model to {path}: No space left on device")

    monkeypatch.setattr(LanguageModel, "save", full)
    outcome = run("train", corpus, *SMALL, "--steps", "5", "--quiet", "-o", tmp_path / "m")
    assert outcome.code == 1
    assert "No space left on device" in outcome.err
    found = re.search(r"the model is saved as (\S+)", outcome.err)
    assert (found is not None) == elsewhere
    if found:
        assert LanguageModel.load(found[1]).config.context == 3


MODEL = Path("a/m.safetensors")


@pytest.mark.parametrize(
    ("corpus", "found"),
    [
        (["a/m.safetensors"], ([], MODEL)),
        (["a/m.checkpoint.safetensors"], ([], MODEL)),
        (["a/m.checkpoint-20.safetensors"], ([], MODEL)),
        (["a/m.safetensors", "a/m.checkpoint.safetensors"], ([], MODEL)),
        (["-", "a/m.safetensors"], (["-"], MODEL)),
        (["corpus.txt"], (["corpus.txt"], DEFAULT_OUTPUT)),
        (None, (None, DEFAULT_OUTPUT)),
    ],
)
def test_a_run_is_resumed_by_the_name_of_its_model(corpus, found):
    assert resumed_run(corpus, DEFAULT_OUTPUT, output_given=False) == found


def test_two_runs_to_resume():
    assert resumed_run([str(MODEL)], MODEL, output_given=True) == ([], MODEL)
    for corpus, given in ((["b.safetensors", str(MODEL)], False), (["b.safetensors"], True)):
        with pytest.raises(ConfigError, match=re.escape(f"two runs, {MODEL} and b.safetensors")):
            resumed_run(corpus, MODEL, output_given=given)


@pytest.mark.parametrize(
    ("settings", "counts"),
    [
        ({}, True),
        ({"counts": "5", "valid": 0.1}, True),
        ({"counts": "none"}, False),
        ({"valid": 0.0}, False),
        ({"preset": "mini"}, False),
        ({"counts_only": True}, False),
    ],
)
def test_the_second_process_compiles_counts_where_they_may_be_wanted(
    monkeypatch, tmp_path, settings, counts
):
    started = []
    monkeypatch.setattr(
        "fastlm.engine.precompile.start_compiling", lambda *arguments: started.append(arguments)
    )
    with pytest.raises(FastlmError):
        train_run.train_and_save(
            [str(tmp_path / "none.txt")], tmp_path / "m", dict(settings), quiet=True
        )
    ((kernel, program, first),) = started
    assert (kernel, first) == ("train_steps", ["counts"] if counts else [])
    assert program == train_run._SECOND_PROCESS


def test_the_program_of_the_second_process_is_there():
    names = {}
    exec(train_run._SECOND_PROCESS.partition(";")[0], names)
    assert callable(names["serve_training"])
