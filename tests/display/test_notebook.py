"""The lines of a run in a notebook: one output, replaced as a whole, not too often."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from fastlm.display.notebook import NotebookScreen


@pytest.fixture
def pages(monkeypatch):
    """What was displayed: each page, after the name of what put it there."""
    pages = []

    class Handle:
        def update(self, page):
            pages.append(("update", page))

    def display(page, display_id):
        assert display_id is True
        pages.append(("display", page))
        return Handle()

    module = SimpleNamespace(HTML=str, display=display)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(display=module))
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return pages


def test_all_lines_are_one_output_that_is_updated(pages):
    now = [0.0]
    screen = NotebookScreen(clock=lambda: now[0])
    screen.describe("corpus", "<script>alert(1)</script>")
    screen.print("a line")
    for second in range(10):
        now[0] = second / 10
        screen.redraw(f"step {second}", second / 10)
    screen.close()
    screen.close()
    kinds = [kind for kind, _ in pages]
    assert kinds[0] == "display"
    assert set(kinds[1:]) == {"update"}
    texts = [page for _, page in pages]
    # Two lines, a few of the ten states, and one page without them.
    assert len(pages) <= 2 + 4 + 1
    assert "<script>" not in texts[-1]
    assert "corpus      &lt;script&gt;" in texts[-1]
    assert "a line" in texts[-1]
    assert any('<progress max="1" value="0.' in text and "step" in text for text in texts)
    assert "<progress" not in texts[-1]
    assert "step" not in texts[-1]


def test_without_a_line_nothing_is_displayed(pages):
    NotebookScreen().close()
    assert pages == []
