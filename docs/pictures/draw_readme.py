"""The pictures of the README, by commands that anyone can type.

    python docs/pictures/draw_readme.py NAMES.txt SHAKESPEARE.txt

NAMES: first names, one a line (github.com/karpathy/makemore, names.txt). SHAKESPEARE: Tiny
Shakespeare (github.com/karpathy/char-rnn). It takes four minutes.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from pathlib import Path

from fastlm.cli import main

HERE = Path(__file__).resolve().parent
LINES = "What is the name of this sweet lady here?\nWhat is teh name of this sweat ladyx here?\n"


def run(*words: str) -> None:
    """Run a command of fastlm."""
    if code := main(list(words)):
        raise SystemExit(code)


def draw(names: str, shakespeare: str) -> None:
    """Train both models in a folder of their own, and draw."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        Path("lines.txt").write_text(LINES, encoding="utf-8")
        model = "names.safetensors"
        run("train", names, "--documents", "lines", "--minutes", "1", "-o", model)
        run("inspect", model, "--map", "-o", str(HERE / "embedding-map.svg"))
        model = "shakespeare.safetensors"
        run("train", shakespeare, "--minutes", "3", "-o", model)
        run("score", model, "lines.txt", "--strip", str(HERE / "surprise-strip.svg"))


if __name__ == "__main__":
    draw(*map(os.path.abspath, sys.argv[1:3]))
