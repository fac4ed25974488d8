"""What the README tells people to type works as it stands there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from fastlm.cli import main
from fastlm_kernels.runtime.jit import JIT_DISABLED

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)

TEXT = "The cat sat on the mat. The dog sat on the log, and the cat looked on.\n" * 40


@pytest.fixture
def folder_with_texts(tmp_path, monkeypatch):
    (tmp_path / "corpus.txt").write_text(TEXT, encoding="utf-8")
    (tmp_path / "other.txt").write_text(TEXT[:200], encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    # A few steps are enough to see that a command works.
    monkeypatch.setattr(
        "fastlm.training.schedule._DEFAULT_EXAMPLES", 2_000 if JIT_DISABLED else 20_000
    )


def test_every_fastlm_command(folder_with_texts, capsys):
    commands = [
        line
        for language, block in BLOCKS
        if language == "sh"
        for line in block.splitlines()
        if line.startswith("fastlm ")
    ]
    assert len(commands) >= 3
    for command in commands:
        assert main(shlex.split(command)[1:]) == 0, command
    assert "The " in capsys.readouterr().out


def test_every_python_example(folder_with_texts, capsys):
    examples = [block for language, block in BLOCKS if language == "python"]
    assert examples
    for example in examples:
        exec(compile(example, "README.md", "exec"), {})
    assert "The " in capsys.readouterr().out
    assert Path("m.safetensors").is_file()


def test_the_test_command_is_one_line_that_installs_what_it_runs():
    found = re.search(r"<!-- test-command -->\n```sh\n(.*)\n```", README)
    assert found is not None
    assert '".[test]"' in found[1]
    assert "pytest" in found[1]
