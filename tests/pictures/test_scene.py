"""Texts are measured wide enough, cut and wrapped; white space is shown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fastlm.pictures.scene import Scene, Text, fitted, text_width, visible, wrapped


@given(text=st.text(max_size=80), width=st.floats(30, 400))
def test_a_fitted_text_fits(text, width):
    shown = fitted(text, width)
    assert shown == text or (text_width(shown) <= width and shown.endswith("…"))


@given(words=st.lists(st.text("abc日", min_size=1, max_size=8), max_size=20))
def test_wrapped_lines_fit_and_lose_nothing(words):
    text = " ".join(words)
    lines = wrapped(text, 120)
    assert " ".join(lines) == text
    assert all(text_width(line) <= 120 for line in lines)


def test_white_space_becomes_visible():
    assert [visible(token) for token in ("a", " ", "\n", "", "a b", "\x1b")] == [
        "a", "␣", "⏎", "(empty)", "a b", "\\u001b",
    ]  # fmt: skip


def test_a_caption_is_below_all():
    scene = Scene("s", 100)
    scene.caption("word " * 60)
    lines = [shape for shape in scene.shapes if isinstance(shape, Text)]
    assert len(lines) > 1
    assert all(100 < line.y < scene.height for line in lines)
