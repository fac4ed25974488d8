"""Every block of the recipes runs, and prints as many lines as the page shows."""

from __future__ import annotations

from pathlib import Path

import pytest
from numba import config

from tests.docs.pages import ROOT, blocks_of, run_blocks

PAGE = (ROOT / "docs" / "recipes.md").read_text(encoding="utf-8")
NOVEL = "I looked at the moon. The moon looked at me, and the sphere was cold.\n" * 200


@pytest.mark.thorough
@pytest.mark.timeout(600)
@pytest.mark.skipif(config.DISABLE_JIT, reason="it takes minutes without JIT")
def test_every_block_prints_what_the_page_shows(tmp_path, monkeypatch):
    pytest.importorskip("pyarrow")
    monkeypatch.chdir(tmp_path)
    Path("novel.txt").write_text(NOVEL, encoding="utf-8")
    page = PAGE.replace("--minutes 1 ", "--minutes 0.05 ")
    assert page != PAGE
    printed = {}
    for block, output in run_blocks(page, "recipes.md"):
        printed[block.code] = output
        if block.shown is None:
            assert output == "" or block.language == "sh", block.code
        elif "novel" not in block.code:
            assert output.count("\n") == block.shown.count("\n"), block.code
    (kept,) = (output for code, output in printed.items() if "junk_kept" in code)
    assert kept.startswith("300 of 400 kept, 0 ")
    (odd,) = (output for code, output in printed.items() if "odd.jsonl" in code and "print" in code)
    assert "segfault" in odd


def test_every_recipe_shows_what_it_prints():
    blocks = blocks_of(PAGE)
    assert len(blocks) >= 15
    assert all(block.shown for block in blocks if "print(" in block.code)
    assert all(block.is_example for block in blocks if block.shown)
