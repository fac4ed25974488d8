"""What the README tells people to type works as it stands there."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest

from fastlm.cli import main
from fastlm_kernels.runtime.jit import JIT_DISABLED

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)

RECIPES = re.findall(r"^\| [^|`]+ \| `(fastlm [^`]+)` \|", README, re.MULTILINE)

TEXT = "The cat sat on the mat. The dog sat on the log, and the cat looked on.\n" * 40


@pytest.fixture
def folder_with_texts(tmp_path, monkeypatch):
    (tmp_path / "corpus.txt").write_text(TEXT, encoding="utf-8")
    (tmp_path / "other.txt").write_text(TEXT[:200], encoding="utf-8")
    records = "".join(f'{{"id": {n}, "text": "The cat sat."}}\n' for n in range(3))
    (tmp_path / "records.jsonl").write_text(records, encoding="utf-8")
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
    assert len(RECIPES) >= 4
    for number, recipe in enumerate(RECIPES):
        words = shlex.split(recipe)[1:]
        if words[0] == "train":
            # Words are known by their first minute; a second is enough to see that it works.
            words = [re.sub(r"^\d+$", "0.02", word) for word in words]
            words += ["-o", f"recipe-{number}.safetensors"]
        assert main(words) == 0, recipe
    assert main(["inspect", "recipe-0.safetensors"]) == 0
    assert "lines" in capsys.readouterr().out


def test_every_python_example(folder_with_texts, capsys):
    examples = [block for language, block in BLOCKS if language == "python"]
    assert examples
    for example in examples:
        exec(compile(example, "README.md", "exec"), {})
    assert "The " in capsys.readouterr().out
    assert Path("m.safetensors").is_file()


def test_all_other_blocks_are_known():
    """Those that install are run by `.ci/run`; what is shown was printed once."""
    others = [block for language, block in BLOCKS if language not in ("sh", "python")]
    assert [language for language, _ in BLOCKS if language not in ("sh", "python", "text")] == []
    assert len(others) == 2
    lines = [
        line
        for language, block in BLOCKS
        if language == "sh"
        for line in block.splitlines()
        if not line.startswith("fastlm ")
    ]
    assert [line.split()[:2] for line in lines] == [["git", "clone"], *[["python3", "-m"]] * 2]
    assert all(".venv/bin/pip install -q" in line for line in lines[1:])


def test_the_python_that_it_asks_for_is_the_packages():
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"Python {packages['requires-python'].removeprefix('>=')} or newer" in README
    listed = set(
        re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", README, re.M)))
    )
    assert listed == set(packages["optional-dependencies"])


def test_pictures_are_there_and_follow_the_theme():
    pictures = re.findall(r"!\[[^\]]+\]\((.+?)\)", README)
    assert len(pictures) == 2
    for picture in pictures:
        assert "prefers-color-scheme: dark" in (ROOT / picture).read_text(encoding="utf-8")


def test_the_test_command_is_one_line_that_installs_what_it_runs():
    found = re.search(r"<!-- test-command -->\n```sh\n(.*)\n```", README)
    assert found is not None
    assert '".[test]"' in found[1]
    assert "pytest" in found[1]
