"""Pages whose blocks run in order, each followed by what it prints.

A ``python`` block runs in the namespace of the page, a ``sh`` block line by line: ``fastlm`` in
this process, anything else in one of its own. A ``text`` block after it is what it prints. There,
``…`` stands for anything in its line, and a line of it alone for any lines. After a comment
``<!-- example -->`` it is what was printed once: on another processor it may be something else.

``python -m tests.docs.pages docs/lesson.md [FILE]...`` writes what is printed into the page, but
for blocks that have a ``…``. The files are copied beside it.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastlm.cli import main

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_ANY = "…"
_EXAMPLE = "<!-- example -->"


@dataclass
class Block:
    """A block that runs, and what the page says that it prints: None if nothing is said."""

    language: str
    code: str
    shown: str | None
    span: tuple[int, int]  # of what is shown, in the page
    line: int
    is_example: bool


def blocks_of(page: str) -> list[Block]:
    """Return the blocks that run, in order."""
    found = []
    fences = list(_FENCE.finditer(page))
    for fence, after in zip(fences, [*fences[1:], None], strict=True):
        if fence[1] not in ("python", "sh"):
            continue
        between = page[fence.end() : after.start()].strip() if after else "end"
        block = Block(
            fence[1], fence[2], None, (0, 0), page[: fence.start()].count("\n") + 1, False
        )
        if after is not None and after[1] == "text" and between in ("", _EXAMPLE):
            block.shown, block.span = after[2], after.span(2)
            block.is_example = between == _EXAMPLE
        found.append(block)
    return found


def run_blocks(page: str, name: str) -> Iterator[tuple[Block, str]]:
    """Run all blocks in the current folder; yield each with what it printed."""
    namespace: dict[str, Any] = {"__name__": "page"}
    for block in blocks_of(page):
        out = io.StringIO()
        if block.language == "python":
            with contextlib.redirect_stdout(out):
                code = compile("\n" * block.line + block.code, name, "exec")
                exec(code, namespace)
        else:
            for line in block.code.splitlines():
                out.write(run_line(line))
        yield block, out.getvalue()


def run_line(line: str) -> str:
    """Run a command, and return what it prints to both streams."""
    words = shlex.split(line)
    if words[0] == "fastlm":
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
            code = main(words[1:])
        assert code == 0, f"{line}: {out.getvalue()}"
        return out.getvalue()
    environment = dict(os.environ)
    while "=" in words[0]:
        key, _, value = words.pop(0).partition("=")
        environment[key] = value
    program = {"fastlm": ["-m", "fastlm"], "python": []}[words[0]]
    done = subprocess.run(
        [sys.executable, *program, *words[1:]],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path))} | environment,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, f"{line}: {done.stdout}"
    return done.stdout


def agrees(shown: str, printed: str) -> bool:
    """Tell whether a block prints what the page shows."""
    parts = []
    for line in shown.splitlines():
        if line.strip() == _ANY:
            parts.append(r"(?:.*\n)*")
        else:
            parts.append(".*".join(map(re.escape, line.rstrip().split(_ANY))) + r"[ ]*\n")
    return re.fullmatch("".join(parts), printed) is not None


def rewrite(path: Path, files: Sequence[Path] = ()) -> None:
    """Put what the blocks print into a page.

    files : which the page expects beside it
    """
    page = path.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        for file in files:
            shutil.copy(file, folder)
        with contextlib.chdir(folder):
            runs = list(run_blocks(page, path.name))
    for block, printed in reversed(runs):
        if block.shown is not None and _ANY not in block.shown:
            lines = "".join(f"{line.rstrip()}\n" for line in printed.splitlines())
            page = page[: block.span[0]] + lines + page[block.span[1] :]
    path.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    rewrite(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
