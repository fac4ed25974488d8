from __future__ import annotations

import io

import pytest

from fastlm.display.surprise import SurprisePrinter, digits_below, takes_colour


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


PARTS = [("teh", 12.5), (" ", None), ("b\x1b", 0.5), ("\n", 1.0), ("日", 3.9)]


def test_digits_stand_below_what_they_are_of():
    assert digits_below("  4.5  ", PARTS, 80).splitlines() == [
        "  4.5  teh b\x1b", "       999 0", "       日", "       33",
    ]  # fmt: skip
    rows = digits_below("", [("x" * 50, 1.0)], 31).splitlines()
    assert rows == ["x" * 30, "1" * 30, "x" * 20, "1" * 20]


def test_colours_go_to_a_terminal_without_no_color(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert takes_colour(Terminal())
    assert not takes_colour(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not takes_colour(Terminal())
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert not takes_colour(Terminal())


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_colours_are_asked_for_and_control_characters_shown(monkeypatch, stream):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("NO_COLOR", "1")  # who asks for colours gets them
    out = stream()
    printer = SurprisePrinter(out, colour=True)
    printer.legend()
    printer.print(4.5, PARTS, "99.00")
    text = out.getvalue()
    assert "\x1b[1;" in text
    assert "10+" in text
    assert ("\\u001b" in text) == (stream is Terminal)


def test_without_colours_there_are_none():
    out = io.StringIO()
    SurprisePrinter(out, colour=False).print(4.5, [("teh", 12.5)])
    assert out.getvalue() == "       4.5  teh\n            999\n"
