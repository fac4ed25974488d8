"""Every line that the lesson shows is what its blocks print."""

from __future__ import annotations

from pathlib import Path

import pytest
from numba import config

from tests.docs.pages import ROOT, agrees, blocks_of, run_blocks

LESSON = (ROOT / "docs" / "lesson.md").read_text(encoding="utf-8")
POEM = "Row, row, row your boat, gently down the stream.\n" * 3


@pytest.mark.thorough
@pytest.mark.timeout(600)
@pytest.mark.skipif(config.DISABLE_JIT, reason="it is about the difference")
def test_every_block_prints_what_is_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("poem.txt").write_text(POEM, encoding="utf-8")
    for block, printed in run_blocks(LESSON, "lesson.md"):
        if block.shown is not None:
            assert agrees(block.shown, printed), f"line {block.line} prints\n{printed}"
        elif block.language == "python":
            assert printed == "", f"line {block.line} prints\n{printed}"


def test_every_step_shows_what_it_prints():
    blocks = blocks_of(LESSON)
    assert len(blocks) >= 25
    for block in blocks:
        if "print(" in block.code:
            assert block.shown, block.code
    steps = [line for line in LESSON.splitlines() if line.startswith("### Step ")]
    assert [int(line.split()[2].rstrip(":")) for line in steps] == list(range(1, len(steps) + 1))


def test_a_wrong_line_is_found():
    assert agrees("loss 1.25\n", "loss 1.25\n")
    assert not agrees("loss 1.25\n", "loss 1.26\n")
    assert not agrees("loss 1.25\n", "loss 1.25\nmore\n")
    assert agrees("…\nloss …, epoch 3\n…\n", "a\nb\nloss 1.26, epoch 3\n")
    assert not agrees("…\nloss …, epoch 3\n", "a\nloss 1.26, epoch 4\n")
