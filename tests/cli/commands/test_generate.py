"""`fastlm generate`: the text alone on standard output, and one line for what is wrong."""

from __future__ import annotations

import io
import json
import subprocess
import sys

import pytest

from fastlm.api.language_model import LanguageModel
from fastlm.cli import main
from fastlm_kernels.runtime.jit import JIT_DISABLED

from ..conftest import SMALL, assert_one_line, make_model


def test_text_is_that_of_the_library(run, model):
    outcome = run("generate", model, "--prompt", "the ", "--length", "40", "--seed", "1")
    expected = LanguageModel.load(model).generate("the ", length=40, seed=1)
    assert (outcome.code, outcome.out, outcome.err) == (0, expected + "\n", "")


def test_settings_reach_the_library(run, model):
    arguments = ("--temperature", "0.5", "--top-k", "5", "--top-p", "0.9", "--seed", "3")
    outcome = run("generate", model, "--length", "30", *arguments)
    expected = LanguageModel.load(model).generate(
        length=30, temperature=0.5, top_k=5, top_p=0.9, seed=3
    )
    assert outcome.out == expected + "\n"


def test_greedy_and_temperature_0_are_the_same(run, model):
    greedy = run("generate", model, "--greedy", "--length", "30")
    cold = run("generate", model, "--temperature", "0", "--length", "30")
    assert greedy.code == cold.code == 0
    assert greedy.out == cold.out


def test_without_a_seed_texts_differ(run, model):
    texts = {run("generate", model, "--length", "50").out for _ in range(3)}
    assert len(texts) > 1


def test_samples_have_a_blank_line_between_them(run, model):
    outcome = run("generate", model, "--samples", "3", "--length", "20", "--seed", "1")
    texts = LanguageModel.load(model).sample(3, length=20, seed=1)
    assert outcome.out == "\n\n".join(texts) + "\n"


def test_samples_of_a_model_of_lines_are_one_per_line(run, tmp_path):
    path = tmp_path / "lines.safetensors"
    make_model(documents="lines").save(path)
    outcome = run("generate", path, "--samples", "4", "--length", "20", "--seed", "2")
    texts = LanguageModel.load(path).sample(4, length=20, seed=2)
    assert outcome.out == "\n".join(texts) + "\n"


def test_a_long_list_of_lines(run, tmp_path):
    count = 20 if JIT_DISABLED else 1000
    path = tmp_path / "lines.safetensors"
    make_model(documents="lines").save(path)
    options = ("--length", "12", "--seed", "2", "--stop", "th")
    outcome = run("generate", path, "--samples", count, "--threads", "2", *options)
    texts = LanguageModel.load(path).sample(count, length=12, seed=2, stop="th")
    assert outcome.out == "\n".join(texts) + "\n"
    assert not any("th" in text for text in texts)


def test_stop_ends_before_the_text(run, model):
    whole = run("generate", model, "--length", "200", "--seed", "1").out
    stops = whole[3:5], whole[80:83]
    for samples in ((), ("--samples", "2")):
        options = ("--stop", stops[1], "--stop", stops[0], *samples)
        outcome = run("generate", model, "--length", "200", "--seed", "1", *options)
        first = outcome.out.split("\n\n")[0].removesuffix("\n")
        assert whole.startswith(first)
        assert whole[len(first) :].startswith(stops)
        assert len(first) <= 3


def test_lines_from_a_model_of_files(run, model):
    options = ("--length", "300", "--seed", "1", "--prompt", "\nth")
    whole = run("generate", model, *options).out
    assert whole.count("\n") > 3
    outcome = run("generate", model, *options, "--documents", "lines")
    assert outcome.out == "\n" + whole.split("\n")[1] + "\n"
    several = run("generate", model, *options[:4], "--documents", "lines", "--samples", "5").out
    assert several.count("\n") == 5


@pytest.mark.parametrize(
    ("documents", "parts"),
    [("lines", ("'lines'", "word", "--documents lines")), ("pages", ("'pages'", "lines"))],
)
def test_documents_that_a_model_does_not_know(run, tmp_path, documents, parts):
    path = tmp_path / "words.safetensors"
    make_model(kind="word").save(path)
    assert_one_line(run("generate", path, "--documents", documents), 1, *parts)


def test_json_has_one_object_a_line(run, model):
    arguments = ("--prompt", "the ", "--length", "30", "--seed", "4", "--json")
    outcome = run("generate", model, "--samples", "3", *arguments)
    texts = LanguageModel.load(model).sample(3, "the ", length=30, seed=4)
    assert [json.loads(line) for line in outcome.out.splitlines()] == [
        {"sample": number, "seed": 4, "prompt": "the ", "text": text.removeprefix("the ")}
        for number, text in enumerate(texts)
    ]


def test_json_names_a_seed_that_gives_the_text_again(run, model):
    first = json.loads(run("generate", model, "--length", "30", "--json").out)
    again = run("generate", model, "--length", "30", "--json", "--seed", first["seed"])
    assert json.loads(again.out) == first


def test_length_0_is_the_prompt(run, model):
    assert run("generate", model, "--prompt", "the fox", "--length", "0").out == "the fox\n"


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("--temperature", "-1"), ("temperature", "-1", "at least 0")),
        (("--temperature", "nan"), ("temperature", "nan")),
        (("--top-k", "0"), ("top_k", "0", "at least 1")),
        (("--top-p", "0"), ("top_p", "0", "above 0")),
        (("--top-p", "1.5"), ("top_p", "1.5")),
        (("--length", "-1"), ("length", "-1", "at least 0")),
        (("--samples", "0"), ("samples", "0", "at least 1")),
        (("--seed", "-1"), ("seed", "-1")),
        (("--threads", "0"), ("threads", "0", "at least 1")),
        (("--stop", ""), ("stop", "''", "not empty")),
    ],
)
@pytest.mark.parametrize("several", [(), ("--samples", "2")])
def test_settings_out_of_range(run, model, arguments, parts, several):
    assert_one_line(run("generate", model, *several, *arguments), 1, *parts)


def test_no_such_model(run):
    assert_one_line(run("generate", "absent.safetensors"), 1, "absent.safetensors", "train")


def test_a_folder_is_no_model(run, tmp_path):
    assert_one_line(run("generate", tmp_path), 1, str(tmp_path), "folder")


@pytest.mark.parametrize("content", [b"", b"Once upon a time", b"\xff" * 100])
def test_a_file_that_is_no_model(run, tmp_path, content):
    path = tmp_path / "no.safetensors"
    path.write_bytes(content)
    assert_one_line(run("generate", path), 1, "no.safetensors")


def test_a_truncated_model(run, model):
    model.write_bytes(model.read_bytes()[:-10])
    assert_one_line(run("generate", model), 1, "random.safetensors")


@pytest.mark.thorough
@pytest.mark.parametrize("how_much", [("--length", "100000"), ("--samples", "2")])
def test_a_reader_that_leaves_is_no_error(model, how_much):
    process = subprocess.Popen(
        [sys.executable, "-m", "fastlm", "generate", str(model), *how_much],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    if "--length" in how_much:
        process.stdout.read(1)
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 0, error
    assert error == b""


class Terminal(io.StringIO):
    encoding = "latin-1"

    def isatty(self):
        return True


@pytest.mark.parametrize("options", [(), ("--samples", 2), ("--json",)])
def test_a_terminal_gets_no_control_characters(monkeypatch, tmp_path, options):
    """A byte model writes all bytes; ESC and the like would be orders to the terminal."""
    make_model(kind="byte").save(tmp_path / "m.safetensors")
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    arguments = ["generate", tmp_path / "m.safetensors", "--prompt", "é\x1b[2J", "--length", 300]
    assert main([*map(str, arguments), "--seed", "1", *map(str, options)]) == 0
    text = terminal.getvalue()
    assert "\\u001b[2J" in text
    assert not set(text) & set(map(chr, [*range(9), *range(11, 32), *range(127, 160)]))
    if "--json" in options:
        assert json.loads(text)["prompt"] == "é\x1b[2J"
        assert text.isascii()


@pytest.fixture
def names(run, tmp_path):
    """A model of lines that remembers them."""
    lines = [a + b + c for a in "klmn" for b in "aeiou" for c in ("ra", "lo", "sin", "t")]
    (tmp_path / "names.txt").write_text("\n".join(lines) + "\n")
    how = ("--documents", "lines", "--remember", "--valid", "0", "--steps", "30", "-q")
    outcome = run("train", "names.txt", *SMALL, *how, "-o", "names.safetensors")
    assert outcome.code == 0, outcome.err
    assert "remembers" in run("inspect", "names.safetensors").out
    return tmp_path / "names.safetensors"


def test_names_that_are_new(run, names):
    how = ("--new", "--unique", "--min-chars", "3", "--max-chars", "6", "--starts", "k")
    outcome = run("generate", names, "--samples", "5", *how, "--contains", "a", "--seed", "1")
    assert (outcome.code, outcome.err) == (0, "")
    texts = outcome.out.splitlines()
    known = (names.parent / "names.txt").read_text().split()
    assert len(set(texts)) == 5
    for text in texts:
        assert text not in known
        assert text.startswith("k")
        assert "a" in text
        assert 3 <= len(text) <= 6
    lm = LanguageModel.load(names)
    settings = {"new": True, "unique": True, "min_chars": 3, "max_chars": 6, "starts": "k"}
    assert texts == lm.sample(5, contains="a", seed=1, **settings)
    (line,) = run("generate", names, "--new", "--json", "--seed", "1").out.splitlines()
    assert json.loads(line)["text"] == lm.sample(1, new=True, seed=1)[0]


def test_names_that_cannot_be_made_end_with_code_1(run, names):
    # All of one letter, or two: there are few.
    arguments = ("--unique", "--max-chars", "1", "--samples", "100", "--seed", "1")
    outcome = run("generate", names, *arguments)
    texts = outcome.out.splitlines()
    assert outcome.code == 1
    assert 0 < len(set(texts)) == len(texts) < 20
    assert outcome.err.startswith(f"error: {len(texts)} of 100 after 10,000 tries; ")
    assert outcome.err.count("\n") == 1
    outcome = run("generate", names, "--contains", "kkkkkkkkkk", "--max-chars", "10", "--seed", "1")
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.err.startswith("error: 0 of 1 after 10,000 tries; ")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--new",),
        ("--min-chars", "5", "--max-chars", "4"),
        ("--starts", "Ω"),
        ("--starts", "the", "--prompt", "and"),
        ("--unique", "--greedy", "--samples", "2"),
        ("--repetition-penalty", "0.5"),
        ("--no-repeat", "0"),
        ("--interactive", "--unique"),
        ("--interactive", "--no-repeat", "3"),
    ],
)
def test_conditions_that_no_text_meets_are_refused(run, model, arguments):
    outcome = run("generate", model, *arguments)
    assert_one_line(outcome, 1)
    assert outcome.out == ""
    assert "--" in outcome.err


def test_text_without_repeats(run, model):
    how = ("--greedy", "--length", "60")
    outcome = run("generate", model, *how, "--no-repeat", "3", "--repetition-penalty", "1.2")
    lm = LanguageModel.load(model)
    how = {"greedy": True, "length": 60}
    assert outcome.out == lm.generate(no_repeat=3, repetition_penalty=1.2, **how) + "\n"
    assert outcome.out != lm.generate(**how) + "\n"
