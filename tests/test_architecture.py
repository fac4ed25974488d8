"""The rooms of the library: imports go down only, and the guard that says so can fail."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONTRACTS = SETTINGS["tool"]["importlinter"]["contracts"]

# A house of three rooms with the floors of the real one.
HOUSE = {
    "house/__init__.py": "",
    "house/upper.py": "from house.lower import stone\n",
    "house/lower.py": "stone = 1\n",
}
FLOORS = """
[tool.importlinter]
root_package = "house"

[[tool.importlinter.contracts]]
name = "floors"
type = "layers"
containers = ["house"]
exhaustive = true
layers = ["upper", "lower"]
"""


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
            "--no-cache",
        ],
        cwd=folder,
        env={"PYTHONPATH": str(folder), "PATH": "", "SYSTEMROOT": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def house(folder: Path, **changes: str) -> Path:
    files = HOUSE | {f"house/{name}.py": text for name, text in changes.items()}
    for name, text in (files | {"pyproject.toml": FLOORS}).items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def test_the_guard_passes_what_is_sound(tmp_path: Path) -> None:
    done = lint(house(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "changes",
    [
        {"lower": "from house.upper import stone\n"},
        {"lower": "def late():\n    from house.upper import stone\n"},
        {
            "lower": "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n"
            "    from house.upper import stone\n"
        },
        {"attic": "stone = 2\n"},
    ],
    ids=["upward", "deferred", "for types only", "a room without a floor"],
)
def test_the_guard_fails(tmp_path: Path, changes: dict[str, str]) -> None:
    done = lint(house(tmp_path, **changes))
    assert done.returncode == 1
    assert "BROKEN" in done.stdout


def test_no_contract_has_an_exception() -> None:
    """An ignored import, or one that only type checkers see, is an arrow all the same."""
    assert not SETTINGS["tool"]["importlinter"].get("exclude_type_checking_imports", False)
    for contract in CONTRACTS:
        assert not contract.get("ignore_imports"), contract["name"]
        assert contract["type"] != "layers" or contract["exhaustive"], contract["name"]


def test_every_room_is_guarded_against_circles() -> None:
    (contract,) = (each for each in CONTRACTS if each["type"] == "acyclic_siblings")
    rooms = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "fastlm").glob("*/**/__init__.py")
        if path.parent.name != "reference"
    }
    assert set(contract["ancestors"]) == rooms


# Two systems that are taught as they stand.
LONG = {"fastlm/reference/mini.py", "fastlm/reference/tiny.py"}
MOST_LINES = 400


def modules(root: Path) -> list[str]:
    """The modules of both packages, as paths below ``root``."""
    return sorted(
        path.relative_to(root).as_posix()
        for top in ("fastlm", "kernels/fastlm_kernels")
        for path in (root / top).rglob("*.py")
    )


def too_long(root: Path) -> list[str]:
    return [
        path
        for path in modules(root)
        if path not in LONG
        and len((root / path).read_text(encoding="utf-8").splitlines()) > MOST_LINES
    ]


def untested(root: Path) -> list[str]:
    """Modules without a test file of their name in the folder of their name."""
    missing = []
    for path in modules(root):
        place = Path(path.removeprefix("fastlm/").replace("kernels/fastlm_kernels", "kernels"))
        if place.stem.startswith("_"):
            continue
        if not (root / "tests" / place.parent / f"test_{place.name}").exists():
            missing.append(path)
    return missing


def test_no_module_is_longer_than_it_is_read() -> None:
    assert too_long(ROOT) == []


def test_every_module_has_its_tests() -> None:
    assert untested(ROOT) == []


# Folders below which docs/architecture.md names files.
TOPS = ("", "fastlm", "kernels/fastlm_kernels", "fastlm/tokenizers", "fastlm/text", "fastlm/bench")


def not_there(text: str) -> list[str]:
    """The files and folders named in `code` of a text that do not exist."""
    names = [name for name in re.findall(r"`([^`\n]+)`", text) if "/" in name or ".py" in name]
    return [name for name in names if not any((ROOT / top / name).exists() for top in TOPS)]


def test_the_files_that_the_map_names_exist() -> None:
    assert not_there((ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")) == []
    assert not_there("`cli/commands/train.py`, `cli/gone.py`, `base.py`") == ["cli/gone.py"]


def test_these_guards_can_fail(tmp_path: Path) -> None:
    module = tmp_path / "fastlm" / "room" / "new.py"
    module.parent.mkdir(parents=True)
    module.write_text("x = 1\n" * (MOST_LINES + 1), encoding="utf-8")
    assert too_long(tmp_path) == untested(tmp_path) == ["fastlm/room/new.py"]


def test_hints_to_install_come_from_one_place() -> None:
    files = (ROOT / "fastlm").rglob("*.py")
    found = [path.name for path in files if "pip install" in path.read_text(encoding="utf-8")]
    assert found == ["wording.py"]


def test_hints_name_libraries_that_a_package_index_has() -> None:
    """`pip install "fastlm[...]"` fails from a checkout, and while no index has fastlm."""
    files = [*(ROOT / "fastlm").rglob("*.py"), ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    hint = re.compile(r"pip install \W?fastlm\b")
    assert hint.search('pip install "fastlm[bpe]"')
    assert [path for path in files if hint.search(path.read_text(encoding="utf-8"))] == []
