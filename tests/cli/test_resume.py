"""`fastlm train --resume` and its kin: the same model as without a stop, and no checkpoint lost."""

from __future__ import annotations

import shlex
import signal

import numpy as np
import pytest

import fastlm.training.reporting
from fastlm.api.language_model import LanguageModel
from fastlm.training.checkpoint import read_checkpoint
from fastlm.training.metrics import read_rows

from .conftest import SMALL, assert_one_line

# Every step is a chunk, so that a run can be stopped anywhere.
CUT = ("--checkpoint-every", "1 step")


@pytest.fixture
def interrupt(monkeypatch):
    """Send a signal when a run has come to a step; None: no more."""
    when = {"step": None, "signal": signal.SIGINT}
    report = fastlm.training.reporting.Reporter.progress

    def reporting(self, run, *args):
        report(self, run, *args)
        if when["step"] is not None and run.step >= when["step"]:
            signal.raise_signal(when["signal"])

    monkeypatch.setattr(fastlm.training.reporting.Reporter, "progress", reporting)

    def install(step, number=signal.SIGINT):
        when.update(step=step, signal=number)

    return install


def train(run, *arguments):
    return run("train", *arguments, "--valid", "0.2", "--dropout", "0.3", *SMALL)


@pytest.mark.parametrize("name", ["m.safetensors", "m.checkpoint.safetensors"])
def test_a_run_is_resumed_by_name(run, corpus, tmp_path, name):
    assert train(run, corpus, "--steps", "8", "-o", "m.safetensors", "--quiet").code == 0
    done = run("train", "--resume", name, "--steps", "10")
    assert done.code == 0, done.err
    assert "finished    after 10 steps" in done.err
    assert not (tmp_path / "model.safetensors").exists()
    assert_one_line(run("train", "--resume", "other.safetensors"), 1, "no checkpoint other.chec")


def params(path):
    return LanguageModel.load(path).params


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_then_the_command_that_it_names(run, corpus, tmp_path, interrupt, number, code):
    assert train(run, corpus, "--steps", "30", "-o", "whole.safetensors").code == 0
    interrupt(11, number)
    stopped = train(run, corpus, "--steps", "30", "-o", "my m.safetensors", *CUT)
    assert stopped.code == code
    assert read_checkpoint(tmp_path / "my m.checkpoint.safetensors").run.step == 11
    assert params(tmp_path / "my m.safetensors").size
    (line,) = [line for line in stopped.err.splitlines() if line.startswith("to continue: ")]
    command = shlex.split(line.removeprefix("to continue: "))
    assert command == ["fastlm", "train", "--resume", "-o", "my m.safetensors"]
    interrupt(None)
    again = run(*command[1:])
    assert again.code == 0, again.err
    assert "resuming    at step 11" in again.err
    assert "corpus.txt" in again.err
    np.testing.assert_array_equal(
        params(tmp_path / "my m.safetensors"), params(tmp_path / "whole.safetensors")
    )


def test_metrics_are_continued(run, corpus, tmp_path, interrupt):
    train(run, corpus, "--steps", "150", "-o", "whole.safetensors")
    interrupt(61)
    train(run, corpus, "--steps", "150", "-o", "m.safetensors", *CUT)
    interrupt(None)
    with (tmp_path / "m.metrics.jsonl").open("a") as file:
        file.write('{"event": "validation", "step": 62, "seconds": 1.0}\n{"event": "val')
    assert run("train", "--resume", "-o", "m.safetensors").code == 0
    found, whole = (
        [
            (row["step"], row["loss"], row["valid_loss"])
            for row in read_rows(tmp_path / f"{name}.metrics.jsonl")
            if row["event"] == "validation"
        ]
        for name in ("m", "whole")
    )
    assert found == whole
    assert len(found) >= 2


def test_a_model_that_was_not_saved_is_saved_by_resuming(run, corpus, tmp_path):
    """Killed between the last checkpoint and the model."""
    assert train(run, corpus, "--steps", "5").code == 0
    model = tmp_path / "model.safetensors"
    before = params(model)
    model.unlink()
    outcome = run("train", "--resume")
    assert outcome.code == 0
    assert "nothing is left to train: finished after 5 steps" in outcome.err
    np.testing.assert_array_equal(params(model), before)
    assert (run("train", "--resume", "--quiet").code, run("train", "--resume", "--quiet").err) == (
        0,
        "",
    )


def test_longer(run, corpus, tmp_path):
    assert train(run, corpus, "--steps", "5").code == 0
    assert run("train", "--resume", "--steps", "9", "--threads", "2").code == 0
    assert LanguageModel.load(tmp_path / "model.safetensors").details["step"] == 9


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--hidden", "9"), ("hidden 8", "9")),
        (("--context", "4"), ("context 3", "4")),
        (("--embed", "5"), ("embed 4", "5")),
        (("--batch", "16"), ("batch 8", "16")),
        (("--seed", "1"), ("seed 0", "1")),
        (("--dropout", "0.1"), ("dropout 0.3", "0.1")),
        (("--momentum", "0.5"), ("momentum 0.9", "0.5")),
        (("--documents", "lines"), ("documents file", "lines")),
        (("--tokenizer", "word"), ("tokenizer char of", "word of")),
        (("--valid", "0.3"), ("another training text", "fingerprint")),
        (("--init", "model.safetensors"), ("resume and init",)),
        (("--restart",), ("resume and restart",)),
        (("--checkpoint-every", "often"), ("'often'", "60s")),
        (("--checkpoint-every", "never"), ("never",)),
        (("--keep", "-1"), ("keep", "-1")),
        (("-o", "other.safetensors"), ("no checkpoint other.checkpoint.safetensors",)),
        (("--metrics", "corpus.txt"), ("corpus.txt", "not overwritten")),
    ],
)
def test_what_is_refused(run, corpus, tmp_path, arguments, parts):
    train(run, corpus, "--steps", "5")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert_one_line(run("train", "--resume", *arguments), 1, *parts)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_another_corpus_is_refused(run, corpus, tmp_path):
    train(run, corpus, "--steps", "5")
    other = tmp_path / "other.txt"
    other.write_text("more\n" + corpus.read_text())
    assert_one_line(
        run("train", "--resume", other), 1, "another training text", "tokens with fingerprint"
    )
    corpus.unlink()
    assert_one_line(run("train", "--resume"), 1, "corpus.txt", "no such file")


def test_a_checkpoint_of_a_run_that_can_go_on_is_not_overwritten(run, corpus, tmp_path, interrupt):
    interrupt(3)
    train(run, corpus, "--steps", "30", *CUT)
    interrupt(None)
    before = (tmp_path / "model.checkpoint.safetensors").read_bytes()
    assert_one_line(train(run, corpus, "--steps", "5"), 1, "step 3", "--resume", "--restart")
    assert (tmp_path / "model.checkpoint.safetensors").read_bytes() == before
    assert train(run, corpus, "--steps", "5", "--restart").code == 0
    assert read_checkpoint(tmp_path / "model.checkpoint.safetensors").run.step == 5


@pytest.mark.parametrize("content", [b"mine", b"x" * 100])
def test_what_is_no_checkpoint_is_not_overwritten(run, corpus, tmp_path, content):
    path = tmp_path / "model.checkpoint.safetensors"
    path.write_bytes(content)
    assert_one_line(train(run, corpus, "--steps", "5"), 1, path.name, "not a fastlm model")
    assert path.read_bytes() == content


def test_a_damaged_checkpoint(run, corpus, tmp_path):
    train(run, corpus, "--steps", "5")
    path = tmp_path / "model.checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-5])
    assert_one_line(run("train", "--resume"), 1, path.name, "cut short")


def test_keeping_older_ones_helps_then(run, corpus, tmp_path):
    train(run, corpus, "--steps", "6", "--checkpoint-every", "2 steps", "--keep", "2")
    names = sorted(path.name for path in tmp_path.glob("*.checkpoint-*"))
    assert names == [f"model.checkpoint-{step:010d}.safetensors" for step in (2, 4)]
    path = tmp_path / "model.checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-5])
    outcome = run("train", "--resume")
    assert outcome.code == 0
    assert "going on from model.checkpoint-0000000004.safetensors, step 4" in outcome.err


def test_standard_input_has_to_be_given_again(run, corpus, monkeypatch, interrupt):
    import io
    import sys

    def give():
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(corpus.read_bytes())))

    give()
    interrupt(3)
    stopped = train(run, "-", "--steps", "30", *CUT)
    assert stopped.code == 130, stopped.err
    assert "to continue: fastlm train - --resume" in stopped.err
    interrupt(None)
    assert_one_line(run("train", "--resume"), 1, "does not say where its corpus text is", "again")
    give()
    assert run("train", "-", "--resume").code == 0


# ---------------------------------------------------------------------------- other weights first


def test_from_the_weights_of_a_model(run, corpus, tmp_path):
    train(run, corpus, "--steps", "20", "-o", "a.safetensors", "--tokenizer", "word")
    other = tmp_path / "other.txt"
    other.write_text("the lazy dog sleeps, and the quick fox\n" * 30)
    outcome = run(
        "train", other, "--init", "a.safetensors", "-o", "b.safetensors", "--steps", "1", "--lr",
        "1e-9", "--batch", "4", "--valid", "0",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    first, second = (LanguageModel.load(tmp_path / f"{name}.safetensors") for name in "ab")
    assert second.tokenizer == first.tokenizer
    assert second.config == first.config
    np.testing.assert_allclose(second.params, first.params, atol=1e-6)


def test_from_weights_and_momentum(run, corpus, tmp_path):
    """One more step with the momentum is another step than without."""
    train(run, corpus, "--steps", "20", "-o", "a.safetensors")
    saved = read_checkpoint(tmp_path / "a.checkpoint.safetensors")
    for name, more in (("b", ()), ("c", ("--init-momentum",))):
        arguments = ("--init", "a.checkpoint.safetensors", "-o", f"{name}.safetensors")
        outcome = run("train", corpus, *arguments, *more, "--steps", "1", "--valid", "0")
        assert outcome.code == 0, outcome.err
    b, c = (params(tmp_path / f"{name}.safetensors") for name in "bc")
    assert np.abs(b - c).max() > 1e-4
    assert saved.run.step == 20


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--init", "absent.safetensors"), ("no file absent.safetensors",)),
        (("--init", "corpus.txt"), ("corpus.txt", "not a fastlm model")),
        (("--init", "random.safetensors", "--hidden", "5"), ("hidden (8,)", "(5,)")),
        (("--init", "random.safetensors", "--tokenizer", "byte"), ("char of", "byte of")),
        (("--init", "random.safetensors", "--init-momentum"), ("a model, not a checkpoint",)),
        (("--init-momentum",), ("init_momentum", "without init")),
    ],
)
def test_weights_that_cannot_be_taken(run, corpus, model, arguments, parts):
    assert_one_line(run("train", corpus, *arguments), 1, *parts)


# ---------------------------------------------------------------------------- bad numbers


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, with JIT off
def test_training_that_recovers_says_so(run, corpus, tmp_path):
    outcome = train(run, corpus, "--steps", "30", "--lr", "40", "--schedule", "constant")
    assert outcome.code == 0, outcome.err
    assert "rollback    the loss is " in outcome.err
    assert "back to step 0 with half the learning rate, 20" in outcome.err
    rows = read_rows(tmp_path / "model.metrics.jsonl")
    assert {row["event"] for row in rows} >= {"rollback", "validation"}
    inspected = run("inspect", "model.checkpoint.safetensors")
    assert "of the plan after" in inspected.out


@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # NumPy's, with JIT off
def test_training_that_does_not_recover(run, corpus, tmp_path):
    outcome = train(run, corpus, "--steps", "30", "--lr", "1e9", "--quiet")
    assert outcome.code == 1
    *warnings, error = outcome.err.splitlines()
    assert len(warnings) == 3
    assert all(line.startswith("warning: the loss is") for line in warnings)
    assert error.startswith("error: ")
    assert "--lr 3.125e+07" in error
    assert not (tmp_path / "model.safetensors").exists()
