"""Options from a TOML file: what they may be called, which wins, and one line for what is wrong."""

from __future__ import annotations

import json

import pytest
import typer

import fastlm.api.train
from fastlm.cli.app import app

from .conftest import assert_one_line, make_model

COMMANDS = typer.main.get_command(app).commands  # type: ignore[attr-defined]


@pytest.fixture
def fitted(monkeypatch):
    """Put a fake in the place of training; returns (corpus, settings) of each call."""
    calls: list[tuple] = []

    def train(corpus, **settings):
        # Names are paths, and the display is that of the command.
        assert settings.pop("progress") is False
        corpus = corpus and [name if name == "" else str(name) for name in corpus]
        calls.append((corpus, settings))
        raise KeyboardInterrupt

    monkeypatch.setattr(fastlm.api.train, "train", train)
    return calls


@pytest.fixture
def settings_of(run, fitted, tmp_path):
    """The settings that `fastlm train --config` passes on for a text in TOML."""

    def settings_of(toml: str, *arguments: str) -> dict:
        (tmp_path / "c.toml").write_text(toml, encoding="utf-8")
        outcome = run("train", "--config", "c.toml", "--checkpoint-every", "never", *arguments)
        assert outcome.code == 130, outcome
        corpus, settings = fitted.pop()
        del settings["callbacks"]
        return settings | ({"corpus": corpus} if corpus else {})

    return settings_of


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_the_option(name, run, tmp_path):
    (tmp_path / "c.toml").write_text("nonsense = 1")
    outcome = run(name, "--config", "c.toml")
    assert_one_line(outcome, 1, f"c.toml: fastlm {name} has no option 'nonsense'", "--help")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_of_every_command_may_stand_in_a_file(name, run, tmp_path):
    for param in COMMANDS[name].params:
        long = [opt.removeprefix("--") for opt in param.opts if opt.startswith("--")]
        for key in long or [param.name]:
            (tmp_path / "c.toml").write_text(f"{key} = 1979-05-27")
            outcome = run(name, "--config", "c.toml")
            if key == "config":
                assert_one_line(outcome, 1, "has no option 'config'")
            else:
                assert_one_line(outcome, 1, f"c.toml: {key} is ", "1979", "; give ")


@pytest.mark.parametrize("toml", ["{}", "[train]\n{}", "seed = 3\n[train]\n{}\n[bench]\nonly = []"])
def test_values_of_every_type(settings_of, toml):
    given = """
        corpus = ["a.txt", "b.txt"]
        context = 7
        lr = 2
        min-count = 2
        max_vocab = 50
        hidden = [16, 8]
        far = []
        valid = 0.2
        skip-bad = true
        resume = false
        no_cache = true
        schedule = "cosine"
        metrics = "x.jsonl"
    """
    settings = settings_of(toml.format(given), *([] if "seed" in toml else ["--seed", "3"]))
    assert settings == {
        "corpus": ["a.txt", "b.txt"],
        "context": 7,
        "lr": 2.0,
        "min_count": 2,
        "max_vocab": 50,
        "hidden": (16, 8),
        "far": (),
        "valid": 0.2,
        "skip_bad": True,
        "cache": False,
        "schedule": "cosine",
        "metrics": "x.jsonl",
        "seed": 3,
    }


def test_lists_of_numbers_as_on_the_command_line(settings_of):
    assert settings_of('hidden = "16,8"\nfar = "none"') == {"hidden": (16, 8), "far": ()}
    assert settings_of("hidden = 16") == {"hidden": (16,)}


def test_the_command_line_wins_over_the_table_and_the_table_over_the_top(settings_of):
    toml = 'corpus = "a.txt"\nseed = 1\nlr = 1\nbatch = 1\n[train]\nlr = 2\nbatch = 2\n'
    found = settings_of(toml, "b.txt", "--batch", "3")
    assert found == {"corpus": ["b.txt"], "seed": 1, "lr": 2.0, "batch": 3}


def test_the_order_of_the_option_does_not_matter(run, fitted, tmp_path):
    (tmp_path / "c.toml").write_text("seed = 1\nbatch = 5")
    run("train", "--seed", "2", "--config", "c.toml")
    assert (fitted[0][1]["seed"], fitted[0][1]["batch"]) == (2, 5)


def test_the_same_output_from_a_file(run, model, corpus, tmp_path):
    """Required arguments, repeated options and switches, through whole commands."""
    (tmp_path / "c.toml").write_text(
        'model = "random.safetensors"\nseed = 1\n'
        '[generate]\nprompt = "the"\nstop = ["x", "z"]\nlength = 30\n'
    )
    expected = run(
        "generate", model, "--prompt", "the", "--stop", "x", "--stop", "z", "--seed", 1,
        "--length", 30,
    )  # fmt: skip
    assert expected.code == 0
    assert run("generate", "--config", "c.toml") == expected
    (tmp_path / "e.toml").write_text(
        '[eval]\nmodel = "random.safetensors"\nfiles = "corpus.txt"\njson = true\n'
    )
    assert run("eval", "--config", "e.toml") == run("eval", model, corpus, "--json")
    (tmp_path / "s.toml").write_text(
        'model = "names.safetensors"\nfiles = "corpus.txt"\ncount_end = false\njson = true\n'
    )
    make_model(documents="lines").save(tmp_path / "names.safetensors")
    without = run("score", "--config", "s.toml")
    assert without == run("score", "names.safetensors", corpus, "--json", "--no-count-end")
    with_end = run("score", "--config", "s.toml", "--count-end")
    first, second = (json.loads(each.out.splitlines()[0]) for each in (without, with_end))
    assert second["tokens"] == first["tokens"] + 1


@pytest.mark.parametrize(
    ("toml", "parts"),
    [
        ("hiden = 8", ("has no option 'hiden'", "did you mean hidden?")),
        ("[train]\nhiden = 8", ("has no option 'hiden'", "did you mean hidden?")),
        ("[trian]\nlr = 1", ("has no option 'trian'", "did you mean train?")),
        ("xyzzy = 8", ("has no option 'xyzzy'", "fastlm train --help")),
        ("top-k = 8", ("has no option 'top-k'", "fastlm generate has", "[generate]")),
        ('config = "d.toml"', ("has no option 'config'",)),
        ("train = 5", ("train is 5", "[train]")),
        ('context = "many"', ("context is 'many'", "a whole number")),
        ("context = 1.5", ("context is 1.5", "a whole number")),
        ("context = true", ("context is True", "a whole number")),
        ('lr = "fast"', ("lr is 'fast'", "a number")),
        ("resume = 1", ("resume is 1", "true or false")),
        ("schedule = [1]", ("schedule is [1]", "a string")),
        ("hidden = [1.5]", ("hidden is [1.5]", "[256, 128]")),
        ("hidden = 1.5", ("hidden is 1.5", "[256, 128]")),
        ("corpus = [1]", ("corpus is [1]", "an array of strings")),
        ("tokenizer.kind = 1", ("tokenizer is {'kind': 1}", "a string")),
        ("lr = \nseed = 1", ("not valid TOML", "line 1")),
        ("lr = 1\nlr = 2\n", ("not valid TOML", "line 2")),
        ("a" + "[" * 100_000, ("not valid TOML",)),
        (f'context = "{"x" * 1000}"', ("context is 'xxx", "a whole number")),
        ("context = 0", ("context", "0", "at least 1")),
    ],
)
def test_bad_files_are_one_line(run, corpus, tmp_path, toml, parts):
    (tmp_path / "c.toml").write_text(toml)
    outcome = run("train", corpus, "--config", "c.toml")
    assert_one_line(outcome, 1, *parts, *([] if toml == "context = 0" else ["c.toml"]))
    assert len(outcome.err) < 250
    assert not (tmp_path / "model.safetensors").exists()


def test_files_that_cannot_be_read(run, tmp_path):
    assert_one_line(run("train", "--config", "gone.toml"), 1, "gone.toml: No such file")
    (tmp_path / "folder").mkdir()
    assert_one_line(run("train", "--config", "folder"), 1, "folder: ", "--config")
    (tmp_path / "latin.toml").write_bytes(b'corpus = "caf\xe9"')
    assert_one_line(
        run("train", "--config", "latin.toml"), 1, "latin.toml is not valid TOML", "0xe9"
    )
    assert_one_line(run("train", "--config", "a\0b"), 1, "null")
    assert_one_line(run("train", "--config"), 2, "--config")


def test_a_byte_order_mark_is_no_error(settings_of, tmp_path):
    assert settings_of("\ufeffseed = 4") == {"seed": 4}
