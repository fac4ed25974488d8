"""What a first start waits for, and whether the second one does: whole commands, in pairs.

    python bench/starts.py [--base PYTHON] [--rounds 3]

Each command is started with an empty cache, with the cache that this start filled, and from a copy
of the package whose files have new times. --base is the Python of another environment in which
fastlm is installed, an older one say: its starts alternate with ours, and the ratio is the median
of those within a round. Times are in seconds of the whole process, so they bound what the first
step or the first text takes.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import NamedTuple

# The text that comes with every Python: 0.5 MB of its documentation.
_CORPUS = """
from pydoc_data.topics import topics
open("corpus.txt", "w", encoding="utf-8").write("\\n".join(topics.values()))
"""
_WHERE = "import pathlib, {0}; print(pathlib.Path({0}.__file__).parents[1])"
_ONE_STEP = "--steps 1 --valid 0 --checkpoint-every never --quiet"
_COMMANDS = {
    "train, characters": f"train corpus.txt --tokenizer char {_ONE_STEP} -o chars.safetensors",
    "train, words, adaptive softmax": "train corpus.txt --tokenizer word --softmax adaptive "
    f"{_ONE_STEP} -o words.safetensors",
    "generate": "generate model.safetensors --length 20 --seed 1",
    "score": "score model.safetensors corpus.txt",
}
_STATES = ("empty cache", "second start", "copied package")


class Environment(NamedTuple):
    """A Python with fastlm, and the folders on which its packages are found."""

    python: str
    folders: list[Path]  # of fastlm, and of fastlm_kernels

    @classmethod
    def of(cls, python: str) -> Environment:
        folders = []
        for package in ("fastlm", "fastlm_kernels"):
            command = [python, "-c", _WHERE.format(package)]
            found = subprocess.run(command, check=True, capture_output=True, text=True, cwd="/")
            folders.append(Path(found.stdout.strip()))
        return cls(python, folders)

    def copy(self, folder: Path) -> None:
        """Copy the package, without compiled kernels; all its files get the time of now."""
        for package, parent in zip(("fastlm", "fastlm_kernels"), self.folders, strict=True):
            shutil.copytree(
                parent / package,
                folder / package,
                copy_function=shutil.copyfile,
                ignore=shutil.ignore_patterns("__pycache__", "*.nbi", "*.nbc"),
                dirs_exist_ok=True,
            )

    def run(self, command: str, folder: Path, cache: Path, package: Path | None = None) -> float:
        """Run a command of fastlm; return its seconds."""
        variables = os.environ | {"NUMBA_CACHE_DIR": str(cache)}
        variables.pop("PYTHONPATH", None)
        if package is not None:
            variables["PYTHONPATH"] = str(package)
        started = time.perf_counter()
        subprocess.run(
            [self.python, "-m", "fastlm", *command.split()],
            check=True,
            capture_output=True,
            cwd=folder,
            env=variables,
        )
        return time.perf_counter() - started


def starts(environment: Environment, command: str, folder: Path) -> Iterator[float]:
    """Yield the seconds of each of ``_STATES``; the outputs are removed between."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as cache:
        copied = Path(cache) / "packages"
        environment.copy(copied)
        for package in (None, None, copied):
            yield environment.run(command, folder, Path(cache) / "kernels", package)
            for output in ("chars.safetensors", "words.safetensors"):
                (folder / output).unlink(missing_ok=True)


def measured(
    environments: list[Environment], folders: list[Path], command: str, number: int
) -> list[list[float]]:
    """Return the seconds of each environment's starts, in a round that begins with another one."""
    found: dict[int, list[float]] = {}
    for i in list(range(len(environments)))[:: -1 if number % 2 else 1]:
        found[i] = list(starts(environments[i], command, folders[i]))
    return [found[i] for i in range(len(environments))]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--base", metavar="PYTHON", help="of an environment to compare with")
    parser.add_argument("--rounds", type=int, default=3, help="default 3")
    options = parser.parse_args()
    environments = [Environment.of(sys.executable)]
    if options.base:
        environments.append(Environment.of(options.base))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as given:
        folders = [Path(given) / str(number) for number in range(len(environments))]
        for environment, folder in zip(environments, folders, strict=True):
            folder.mkdir()
            subprocess.run([environment.python, "-c", _CORPUS], check=True, cwd=folder)
            model = _COMMANDS["train, characters"].replace("chars", "model")
            environment.run(model, folder, Path(given) / "cache")
        print("| command | start | seconds | base | of base |\n| --- | --- | ---: | ---: | ---: |")
        for name, command in _COMMANDS.items():
            times = [measured(environments, folders, command, n) for n in range(options.rounds)]
            for number, state in enumerate(_STATES):
                pairs = [[seconds[number] for seconds in found] for found in times]
                figures = [f"{median(each):.2f}" for each in zip(*pairs, strict=True)]
                if options.base:
                    figures.append(f"{median(ours / base for ours, base in pairs):.2f}")
                print(f"| {name} | {state} | {' | '.join(figures)} |", flush=True)


if __name__ == "__main__":
    main()
