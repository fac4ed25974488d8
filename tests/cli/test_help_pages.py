"""Help pages: what a person sees at any width, in a pipe and on any terminal."""

from __future__ import annotations

import re

import pytest
import typer

from fastlm.cli.app import app
from fastlm.cli.options import TOKENIZERS
from fastlm.tokenizers.build import TOKENIZER_KINDS

COMMANDS = ("", *typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def page(run, monkeypatch, command, width=80):
    monkeypatch.setenv("COLUMNS", str(width))
    return run(*filter(None, [command]), "--help").out


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("command", COMMANDS)
def test_no_line_is_wider_than_the_terminal(run, monkeypatch, command, width):
    lines = page(run, monkeypatch, command, width).splitlines()
    assert max(map(len, lines)) <= width
    assert all(line.isascii() and line.isprintable() for line in lines)


@pytest.mark.parametrize("command", COMMANDS)
def test_values_are_named_and_no_type_of_python_is(run, monkeypatch, command):
    text = page(run, monkeypatch, command)
    for word in ("<bool>", "<", "list[", "TEXT...", "INTEGER", "FLOAT", "BOOLEAN", "PATH", "{"):
        assert word not in text


def test_options_stand_in_sections(run, monkeypatch):
    text = page(run, monkeypatch, "train")
    heads = re.findall(r"^(\w[\w ]*):$", text, re.MULTILINE)
    assert heads[:4] == ["Arguments", "Options", "Text and tokens", "Model"]
    assert {"Training", "Checkpoints"} < set(heads)
    assert "Usage: fastlm train [OPTIONS] [CORPUS]...\n" in text
    assert "Usage: fastlm generate [OPTIONS] MODEL\n" in page(run, monkeypatch, "generate")


def test_no_sentence_of_a_command_is_cut(run, monkeypatch):
    text = " ".join(page(run, monkeypatch, "", 60).split())
    assert "..." not in text.replace("[ARGS]...", "")
    assert "inspect Show what a model" in text


def test_kinds_of_tokenizers_to_complete():
    assert TOKENIZERS == TOKENIZER_KINDS
