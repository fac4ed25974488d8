"""After `fastlm compile` no start compiles anything, whoever runs it and wherever it may write."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import fastlm
from fastlm.api.compile import CompiledKernels, compile_kernels
from fastlm_kernels.passes.units import UNITS
from fastlm_kernels.runtime import cache
from fastlm_kernels.runtime.jit import JIT_DISABLED

pytestmark = pytest.mark.skipif(JIT_DISABLED, reason="nothing is compiled")

ROOT = Path(fastlm.__file__).parents[1]

USE = """
    fastlm train corpus.txt --tokenizer char --steps 3 -o {home}/char.safetensors
    fastlm train corpus.txt --tokenizer word --far 3 --steps 3 -o {home}/w.safetensors
    fastlm train corpus.txt --preset tiny --steps 3 -o {home}/tiny.safetensors
    fastlm generate {home}/char.safetensors --length 5 --samples 2
    fastlm generate {home}/char.safetensors --length 5 --no-repeat 2
    fastlm score {home}/w.safetensors corpus.txt
    fastlm eval {home}/w.safetensors corpus.txt
    fastlm eval {home}/tiny.safetensors corpus.txt
""".strip().splitlines()


@pytest.fixture
def places(monkeypatch):
    monkeypatch.setattr(cache, "_written", [])
    monkeypatch.setattr(cache, "_only", [])


def test_the_package_comes_first_then_the_users_folder(places, tmp_path, monkeypatch):
    """Which folder is chosen; nothing is compiled."""
    for part in ("training", "inference", "tokenizers"):
        monkeypatch.setattr(f"fastlm.api.compile._compile_{part}", lambda *_: None)
    folders = (tmp_path / "package", tmp_path / "user")
    monkeypatch.setattr("fastlm.api.compile.package_folder", lambda: folders[0])
    monkeypatch.setattr("fastlm.api.compile.user_folder", lambda: folders[1])
    monkeypatch.setattr(cache.config, "CACHE_DIR", "")
    assert compile_kernels().folder == folders[0]
    shutil.rmtree(folders[0])
    folders[0].write_text("a file where the folder should be")
    found = compile_kernels()
    assert isinstance(found, CompiledKernels)
    assert found.folder == folders[1]
    folders[1].rmdir()
    folders[1].write_text("a file where the folder should be")
    with pytest.raises(OSError, match="exists"):
        compile_kernels()


@pytest.mark.thorough
def test_nothing_is_compiled_afterwards(tmp_path):
    """A copy of the package as an image holds it, then started without a place to write kernels."""
    site = tmp_path / "site"
    for package in (ROOT / "fastlm", cache.PACKAGE):
        shutil.copytree(package, site / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "corpus.txt").write_text("the cat sat on the mat\n" * 50, encoding="utf-8")
    clean = {
        name: value
        for name, value in os.environ.items()
        if name not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")
    }
    environment = clean | {
        "PYTHONPATH": str(site),
        "HOME": "/dev/null",
        "LOCALAPPDATA": "nul",
        "FASTLM_CACHE": str(home),
    }

    def run(command: str) -> None:
        words = command.format(home=home).split()
        done = subprocess.run(
            [sys.executable, "-m", *words],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    run("fastlm compile")
    folder = site / cache.PACKAGE.name / "__pycache__" / cache.cache_key()
    before = sorted(path.name for path in folder.iterdir())
    kept = {name.partition("-")[0].rpartition(".")[2] for name in before if name.endswith(".nbi")}
    used = {"train_steps", "train_examples", "position_losses", "generate_tokens", "any_product"}
    assert used | {unit.__name__ for unit in UNITS.values()} <= kept
    for command in USE:
        run(command)
    assert sorted(path.name for path in folder.iterdir()) == before
