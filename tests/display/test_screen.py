"""Lines on a terminal or in a pipe, whatever becomes of the stream."""

from __future__ import annotations

import io

import pytest

from fastlm.display.screen import (
    Screen,
    describe,
    is_utf8,
    labelled,
    printable,
    terminal_columns,
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Full(Terminal):
    """A terminal that takes one line."""

    def write(self, text: str) -> int:
        if self.getvalue():
            raise OSError(28, "No space left on device")
        return super().write(text)


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")


def test_a_pipe_gets_the_lines_that_stay_as_they_are():
    stream = io.StringIO()
    screen = Screen(stream, 79)
    screen.print("x" * 200)
    screen.describe("label", "words " * 40)
    screen.redraw("not this", 0.5)
    screen.close()
    assert stream.getvalue() == f"{'x' * 200}\nlabel       {'words ' * 40}\n"
    assert screen.width == 79


def test_a_terminal_keeps_what_stays_above_what_is_redrawn(monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")
    stream = Terminal()
    screen = Screen(stream, 79)
    screen.redraw("working", 0.5)
    screen.print("y" * 200)
    screen.close()
    text = stream.getvalue()
    assert screen.width == 49
    assert "y" * 50 in text
    assert "y" * 51 not in text
    assert " 50%" in text
    assert "\x1b[?25h" in text


@pytest.mark.parametrize("markup", ["[red]x[/red]", "[/]", ":smile: https://a.b"])
def test_text_is_not_markup(markup):
    stream = Terminal()
    screen = Screen(stream, 79)
    screen.print(markup)
    screen.describe(markup, markup)
    screen.redraw(markup)
    screen.close()
    assert stream.getvalue().count(markup) >= 3
    assert "\x1b[31m" not in stream.getvalue()


@pytest.mark.parametrize("kind", [Full, io.StringIO, Terminal])
def test_a_stream_that_fails_is_written_to_no_more(kind):
    stream = kind()
    screen = Screen(stream, 79)
    screen.print("one")
    if kind is not Full:
        stream.close()
    for _ in range(2):
        screen.print("two")
        screen.describe("three", "four")
        screen.redraw("five", 0.1)
        screen.close()
    if kind is Full:
        assert "two" not in stream.getvalue()


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_terminal_that_cannot_redraw_is_a_pipe(monkeypatch, term):
    monkeypatch.setenv("TERM", term)
    assert not Screen(Terminal(), 79).can_redraw
    assert not Screen(object(), 79).can_redraw


def test_control_characters_of_a_text_do_not_reach_a_terminal():
    text = "a\x1b[2Jb\x07\r\x7f\x9b\tc\né"
    shown = "a\\u001b[2Jb\\u0007\\u000d\\u007f\\u009b\tc\né"
    assert printable(text, Terminal()) == shown
    assert printable(text, io.StringIO()) == printable(text, object()) == text
    stream = Terminal()
    screen = Screen(stream, 79)
    screen.print("\x1b[2Jone")
    screen.describe("\x1b[2Jtwo", "\x1b[2Jtwo")
    screen.redraw("\x1b[2Jthree")
    screen.close()
    assert "\x1b[2J" not in stream.getvalue()


@pytest.mark.parametrize(("name", "expected"), [("utf-8", True), ("UTF8", True), ("ascii", False)])
def test_which_streams_take_all_characters(name, expected):
    assert is_utf8(io.TextIOWrapper(io.BytesIO(), encoding=name)) is expected
    assert is_utf8(io.StringIO())


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_texts_wrap_beside_their_labels(monkeypatch, columns, term):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", term)
    text = " ".join(f"word-{number}" for number in range(40))
    stream = Terminal()
    describe(stream, "label", text)
    first, *others = stream.getvalue().splitlines()
    assert first.startswith("label       word-0 ")
    assert all(line.startswith(" " * 12 + "word") for line in others)
    assert columns - 9 < max(map(len, [first, *others])) < columns
    assert " ".join("".join(stream.getvalue()[5:]).split()) == text
    screen = Screen(Terminal(), 79)
    assert screen.width == min(79, columns - 1)


def test_a_narrow_terminal_and_none(monkeypatch):
    monkeypatch.setenv("COLUMNS", "5")
    assert labelled("label", "a b c", Terminal()) == ["label       a b c"]
    assert labelled("label", "", Terminal()) == ["label       "]
    assert labelled("label", "word " * 99, io.StringIO()) == ["label       " + "word " * 99]
    lines = ["label       one", "            ", "            two"]
    assert labelled("label", "one\n\ntwo", Terminal()) == lines
    assert labelled("label", "one\n\ntwo", io.StringIO()) == lines
    monkeypatch.setenv("COLUMNS", "x")
    assert terminal_columns(Terminal()) == 80
    assert terminal_columns(io.StringIO()) is None
