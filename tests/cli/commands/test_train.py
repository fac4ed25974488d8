"""`fastlm train`: a model file, what is said about it, and one line for what is wrong."""

from __future__ import annotations

import math
import shlex
from pathlib import Path

import numpy as np
import pytest

import fastlm.api.train
from fastlm.api.language_model import LanguageModel
from fastlm.callbacks import Result, Validation
from fastlm.display.progress import ConsoleProgress
from fastlm.errors import TrainingError
from fastlm.training.replaced_run import run_lock

from ..conftest import SMALL, assert_one_line, make_model


@pytest.fixture
def fake(monkeypatch):
    """Put a fake in the place of training; returns what it was called with."""
    calls: list[tuple[tuple, dict]] = []

    def install(reason: str = "finished", step: int = 20, error: BaseException | None = None):
        def train(*args, **kwargs):
            calls.append((args, kwargs))
            if error is not None:
                raise error
            lm = make_model()
            best = Validation(step, 1.0, 1.0, 2.0, math.exp(2.0), 1.9, True)
            lm.result = Result(reason, step, 1.0, 1.0, 160, 160.0, 1.9, best)
            return lm

        monkeypatch.setattr(fastlm.api.train, "train", train)
        return calls

    return install


def test_train_then_generate_then_eval(run, corpus, tmp_path):
    trained = run("train", corpus, *SMALL, "--steps", "20", "--valid", "0.2", "-o", "a.safetensors")
    assert trained.code == 0, trained.err
    lm = LanguageModel.load(tmp_path / "a.safetensors")
    assert (lm.config.context, lm.config.embed, lm.config.hidden) == (3, 4, (8,))
    for words in ("corpus ", "vocabulary ", " parameters", "1 thread", "20/20", "finished"):
        assert words in trained.err
    assert "error" not in trained.err
    for words in ("validation ", "bits/char", "saved ", "a.safetensors", "sample"):
        assert words in trained.out

    commands = [line.strip() for line in trained.out.splitlines() if line.startswith("  fastlm ")]
    assert len(commands) == 2
    for command in commands:
        arguments = shlex.split(command.replace("FILE", corpus.as_posix()))[1:]
        outcome = run(*arguments)
        assert outcome.code == 0, (command, outcome.err)
        assert outcome.out


def test_quiet_prints_nothing(run, corpus, tmp_path):
    outcome = run("train", corpus, *SMALL, "--steps", "5", "--quiet")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
    assert (tmp_path / "model.safetensors").exists()


def test_the_same_command_twice_gives_the_same_weights(run, corpus, tmp_path):
    command = ("train", corpus, *SMALL, "--steps", "5", "--quiet")
    assert run(*command).code == 0
    first = LanguageModel.load(tmp_path / "model.safetensors")
    assert run(*command).code == 0
    second = LanguageModel.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(first.params, second.params)


def test_an_output_that_is_no_model_is_refused_before_training(run, fake, tmp_path):
    calls = fake()
    (tmp_path / "notes.txt").write_text("mine")
    assert_one_line(run("train", "-o", "notes.txt"), 1, "notes.txt", "not overwritten", "-o")
    assert calls == []
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_only_what_is_given_is_passed_on(run, fake):
    calls = fake()
    assert run("train", "--quiet", "--checkpoint-every", "never").code == 0
    ((arguments, settings),) = calls
    assert arguments == (None,)
    assert settings.keys() == {"callbacks", "progress"}


def test_checkpoint_and_metrics_lie_beside_the_model(run, fake):
    calls = fake()
    for output, stem in (("a.safetensors", "a"), ("b.model", "b.model")):
        assert run("train", "-o", output, "--quiet").code == 0
        settings = calls.pop()[1]
        assert settings["checkpoint"] == Path(f"{stem}.checkpoint.safetensors")
        assert settings["metrics"] == Path(f"{stem}.metrics.jsonl")


def test_every_option_reaches_training(run, fake):
    calls = fake()
    options = {
        "valid": ("0.1", 0.1),
        "tokenizer": ("word", "word"),
        "vocab": ("v.txt", "v.txt"),
        "min-count": ("2", 2),
        "max-vocab": ("100", 100),
        "documents": ("lines", "lines"),
        "preset": ("mini", "mini"),
        "context": ("7", 7),
        "embed": ("9", 9),
        "hidden": ("16,8", (16, 8)),
        "combine": ("mean", "mean"),
        "dropout": ("0.2", 0.2),
        "batch": ("64", 64),
        "lr": ("0.5", 0.5),
        "embed-lr-scale": ("2.5", 2.5),
        "warmup": ("20", 20),
        "valid-every": ("0.5", 0.5),
        "valid-tokens": ("900", 900),
        "momentum": ("0.8", 0.8),
        "schedule": ("cosine", "cosine"),
        "epochs": ("2.5", 2.5),
        "steps": ("10", 10),
        "minutes": ("90s", 1.5),
        "patience": ("3", 3),
        "seed": ("4", 4),
        "threads": ("2", 2),
        "checkpoint-every": ("5m", "5m"),
        "keep": ("2", 2),
        "init": ("m.safetensors", Path("m.safetensors")),
        "metrics": ("x.jsonl", "x.jsonl"),
    }
    arguments = [part for name, (text, _) in options.items() for part in (f"--{name}", text)]
    flags = ("resume", "restart", "force", "init-momentum")
    arguments += [f"--{name}" for name in flags]
    assert run("train", "a.txt", "b.txt", "--quiet", *arguments).code == 0
    expected = {name.replace("-", "_"): value for name, (_, value) in options.items()}
    expected |= {name.replace("-", "_"): True for name in flags}
    ((corpus, settings),) = calls
    assert corpus == ([Path("a.txt"), Path("b.txt")],)
    del settings["callbacks"], settings["checkpoint"], settings["progress"]
    expected["overwrite"] = expected.pop("force")
    assert settings == expected


@pytest.mark.parametrize(
    ("reason", "code"),
    [("finished", 0), ("early stop", 0), ("interrupted", 130), ("terminated", 143)],
)
def test_the_model_is_saved_however_training_ended(run, fake, tmp_path, reason, code):
    fake(reason)
    outcome = run("train", "-o", "a.safetensors")
    assert outcome.code == code
    assert "saved" in outcome.out
    assert ("sample" in outcome.out) == (code == 0)
    LanguageModel.load(tmp_path / "a.safetensors")


def test_an_older_model_stays_when_nothing_was_trained(run, fake, model):
    before = model.read_bytes()
    fake("interrupted", step=0)
    outcome = run("train", "-o", model)
    assert outcome.code == 130
    assert "nothing is saved" in outcome.err
    assert model.read_bytes() == before


def test_interrupted_while_reading(run, fake, model):
    before = model.read_bytes()
    fake(error=KeyboardInterrupt())
    outcome = run("train", "-o", model)
    assert outcome.code == 130
    assert "nothing is saved" in outcome.err
    assert model.read_bytes() == before


def test_training_that_diverges_is_one_line(run, fake, model):
    before = model.read_bytes()
    fake(error=TrainingError("the loss is nan at step 3; use a smaller one"))
    assert_one_line(run("train", "-o", model), 1, "nan", "step 3")
    assert model.read_bytes() == before


def test_a_model_of_lines_shows_lines_as_its_sample(run, corpus):
    outcome = run("train", corpus, *SMALL, "--steps", "5", "--documents", "lines")
    assert outcome.code == 0, outcome.err
    between = outcome.out.split("sample\n")[1].split("card\n")[0]
    assert len(between.splitlines()) == 5


def test_words_are_measured_in_perplexity(run, corpus):
    outcome = run("train", corpus, *SMALL, "--steps", "5", "--tokenizer", "word", "--valid", corpus)
    assert outcome.code == 0, outcome.err
    assert "perplexity" in outcome.err
    assert "bits/" not in outcome.out + outcome.err


def test_samples_while_it_learns(run, corpus):
    command = ("train", corpus, *SMALL, "--steps", "20", "--force", "--valid", "0")
    outcome = run(*command, "--sample-every", "8 steps")
    assert outcome.code == 0, outcome.err
    samples = [line for line in outcome.err.splitlines() if line.startswith("sample ")]
    assert len(samples) == 3  # at 8, at 16 and at the end
    before = LanguageModel.load("model.safetensors").params
    assert "sample " not in run(*command).err
    np.testing.assert_array_equal(LanguageModel.load("model.safetensors").params, before)
    assert_one_line(run(*command, "--sample-every", "often"), 1, "--sample-every is 'often'")


def test_rare_words_of_a_large_vocabulary_are_told(run, corpus, monkeypatch):
    for module in ("fastlm.tokenizers.spec", "fastlm.api.run"):
        monkeypatch.setattr(f"{module}.MOST_WORDS", 9)
    words = ("train", corpus, *SMALL, "--steps", "2", "--tokenizer", "word", "--force")
    outcome = run(*words)
    assert "vocabulary  9 words\n" in outcome.err
    assert "rarer words are <unk>, " in outcome.err
    assert "% of the text; --max-vocab sets how many are kept\n" in outcome.err
    for limit in (("--max-vocab", "9"), ("--min-count", "1")):
        assert "rarer words" not in run(*words, *limit).err
    assert "vocabulary  9 words\n" not in run(*words, "--min-count", "1").err


def write(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return path.name


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"", ("bad.txt", "empty")),
        (b" \n\n ", ("bad.txt", "white space")),
        (b"abc\ncaf\xe9 au lait" * 10, ("bad.txt", "UTF-8", "0xE9", "offset 7", "line 2")),
        (b"aaaa" * 100, ("one",)),
    ],
)
def test_a_corpus_that_cannot_be_used(run, tmp_path, content, parts):
    name = write(tmp_path / "bad.txt", content)
    assert_one_line(run("train", name, *SMALL, "--steps", "2"), 1, *parts)
    assert not (tmp_path / "model.safetensors").exists()


def test_a_corpus_shorter_than_the_context(run, tmp_path):
    name = write(tmp_path / "short.txt", b"abcdefg abcdefg\n")
    outcome = run("train", name, "--context", "500", "--steps", "2", "--valid", "0")
    assert outcome.code == 0, outcome.err


def test_no_such_corpus_and_a_folder(run, tmp_path):
    assert_one_line(run("train", "absent.txt"), 1, "absent.txt", "no such file")
    assert_one_line(run("train", tmp_path), 1, str(tmp_path), "folder")
    assert_one_line(run("train", "*.md"), 1, "*.md")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--context", "0"), ("context", "0", "at least 1")),
        (("--embed", "0"), ("embed", "0", "at least 1")),
        (("--hidden", "-1"), ("hidden", "-1", "at least 1")),
        (("--hidden", "wide"), ("hidden", "wide", "256,128")),
        (("--dropout", "1.0"), ("dropout", "1.0", "below 1")),
        (("--dropout", "-0.1"), ("dropout", "-0.1", "at least 0")),
        (("--batch", "0"), ("batch", "0", "at least 1")),
        (("--lr", "0"), ("lr", "0", "above 0")),
        (("--lr", "nan"), ("lr", "nan")),
        (("--momentum", "1"), ("momentum", "1", "below 1")),
        (("--schedule", "steep"), ("schedule", "steep", "linear")),
        (("--combine", "sum"), ("combine", "sum", "mean")),
        (("--steps", "0"), ("steps", "0", "at least 1")),
        (("--epochs", "-1"), ("epochs", "-1", "above 0")),
        (("--minutes", "0"), ("minutes", "0", "above 0")),
        (("--epochs", "1", "--steps", "5"), ("epochs", "steps", "choose one")),
        (("--patience", "0"), ("patience", "0", "at least 1")),
        (("--seed", "-1"), ("seed", "-1", "at least 0")),
        (("--threads", "0"), ("threads", "0", "at least 1")),
        (("--tokenizer", "letter"), ("letter", "char")),
        (("--documents", "pages"), ("pages", "paragraphs")),
        (("--preset", "huge"), ("huge", "mini")),
        (("--min-count", "0"), ("min_count", "0")),
        (("--max-vocab", "0"), ("max_vocab", "0")),
        (("--vocab", "absent.txt"), ("absent.txt", "no such file")),
        (("--valid", "absent.txt"), ("absent.txt", "no such file")),
        (("--valid", "1.5"), ("1.5", "below 1")),
        (("--valid", "-0.5"), ("-0.5", "above 0")),
    ],
)
def test_settings_out_of_range(run, corpus, arguments, parts):
    assert_one_line(run("train", corpus, *arguments), 1, *parts)


def test_without_a_corpus_the_default_one_is_used(run, fake):
    calls = fake()
    outcome = run("train")
    assert outcome.code == 0
    assert calls[0][0] == (None,)
    watcher, _ = calls[0][1]["callbacks"]
    assert isinstance(watcher, ConsoleProgress)


def test_the_model_of_another_text_stays(run, corpus, tmp_path):
    other = tmp_path / "other.txt"
    other.write_text("pack my box with five dozen liquor jugs\n" * 9)
    command = (*SMALL, "--steps", "5", "--quiet", "--checkpoint-every", "never")
    assert run("train", corpus, *command).code == 0
    before = (tmp_path / "model.safetensors").read_bytes()
    outcome = run("train", other, *command)
    assert_one_line(outcome, 1, "another text", "--force")
    assert (tmp_path / "model.safetensors").read_bytes() == before
    assert run("train", other, *command, "--force").code == 0
    assert (tmp_path / "model.safetensors").read_bytes() != before


def test_a_second_run_with_the_same_output_is_refused(run, corpus, tmp_path):
    with run_lock(tmp_path / "model.safetensors"):
        outcome = run("train", corpus, *SMALL, "--steps", "5", "-o", tmp_path / "model.safetensors")
    assert_one_line(outcome, 1, "another run is writing")


def test_a_store_of_words_is_told_in_words(run, corpus):
    assert run("prepare", corpus, "--tokenizer", "word", "-o", "w.tokens").code == 0
    outcome = run("train", "w.tokens", *SMALL, "--steps", "5", "--valid", "0.2")
    assert outcome.code == 0, outcome.err
    assert " words\n" in outcome.err
    assert "perplexity" in outcome.err
    assert "character" not in outcome.out + outcome.err
    assert "bits/" not in outcome.out + outcome.err
