"""The public surface changes with a line in the change log only."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import fastlm
from tests.surface import GOLDEN, MODULES, surface

ROOT = Path(__file__).parents[1]


def newest_section(changelog: str) -> str:
    """What the change log says of the version that is not released, or of the last one."""
    return changelog.split("\n## ")[1]


def unmentioned(before: list[str], now: list[str], section: str) -> list[str]:
    """Entries that came, went or changed, and whose name the section does not have as code."""
    code = " ".join(re.findall(r"`([^`]*)`", section))
    changed = set(before) ^ set(now)
    names = {line.partition("(")[0] for line in changed}
    return sorted(
        name for name in names if not re.search(rf"\b{re.escape(name.split('.')[-1])}\b", code)
    )


def test_a_change_has_a_line_in_the_change_log() -> None:
    section = newest_section((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))
    before = GOLDEN.read_text(encoding="utf-8").splitlines()
    missing = unmentioned(before, surface(), section)
    assert not missing, (
        f"the public surface changed: name {', '.join(missing)} as `code` in the newest section of "
        "CHANGELOG.md"
    )


def test_the_guard_can_fail() -> None:
    before = ["fastlm.load(path)", "fastlm.old", "fastlm.same(x)"]
    now = ["fastlm.load(path, *, mmap=)", "fastlm.new", "fastlm.same(x)"]
    assert unmentioned(before, now, "none") == ["fastlm.load", "fastlm.new", "fastlm.old"]
    assert unmentioned(before, now, "`fastlm.load(mmap=True)`, new, `old`") == ["fastlm.new"]
    assert newest_section("# Changes\n\n## 2\n\nb\n\n## 1\n\na\n") == "2\n\nb\n"


def test_what_is_promised_can_be_found() -> None:
    lines = surface()
    assert any(line.startswith("fastlm.train(corpus=, *, texts=") for line in lines)
    assert "fastlm.Score.perplexity" in lines
    assert "fastlm.LanguageModel.neighbors(self, token, k=)" in lines
    assert "fastlm.callbacks.Validation.loss" in lines
    guide = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
    assert [module for module in MODULES if module not in guide] == []


def test_every_public_name_is_there() -> None:
    assert sorted(fastlm.__all__) == dir(fastlm)
    for name in fastlm.__all__:
        value = getattr(fastlm, name)
        assert name == "__version__" or value.__name__ == name
    for error in __import__("fastlm.errors").errors.__all__:
        assert error in fastlm.__all__
    with pytest.raises(AttributeError, match="has no attribute 'tain'"):
        fastlm.tain  # noqa: B018


def test_importing_a_name_loads_only_its_module() -> None:
    program = (
        "import sys, fastlm; fastlm.ConfigError; fastlm.Callback\n"
        "print([name for name in ('numba', 'rich', 'numpy', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.strip() == "[]"
