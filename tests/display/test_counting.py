"""The progress of scoring: shown after a second, logged at the end, nothing for the quick."""

from __future__ import annotations

import io
import logging

import pytest

from fastlm.display import counting
from fastlm.display.counting import TextCounter, text_counter
from fastlm.errors import ConfigError


class Screen:
    def __init__(self):
        self.lines, self.closed = [], False

    def redraw(self, line, fraction=None):
        self.lines.append((line, fraction))

    def close(self):
        self.closed = True


def run(screen, total, seconds):
    """Count four texts, each of which takes some seconds."""
    now = [0.0]
    counter = TextCounter(screen, total, clock=lambda: now[0])
    for text in counter.follow(counter.count(["ab"] * 4)):
        assert text == "ab"
        now[0] += seconds


def test_texts_are_counted():
    screen = Screen()
    run(screen, 4, 1.0)
    assert screen.lines == [
        ("1 of 4 texts, 2 characters/s, 0:03 left", 0.25),
        ("2 of 4 texts, 2 characters/s, 0:02 left", 0.5),
        ("3 of 4 texts, 2 characters/s, 0:01 left", 0.75),
        ("4 of 4 texts, 2 characters/s", 1.0),
    ]
    assert screen.closed


def test_of_an_unknown_number():
    screen = Screen()
    run(screen, None, 1.0)
    assert screen.lines[0] == ("1 text, 2 characters/s", None)


def test_what_is_quick_is_not_shown():
    screen = Screen()
    run(screen, 4, 0.2)
    assert screen.lines == []
    assert screen.closed


def test_a_log_has_one_line(caplog):
    caplog.set_level(logging.INFO, "fastlm")
    run(None, 4, 0.2)
    assert caplog.messages == []
    run(None, 4, 1.0)
    assert caplog.messages == ["scored 4 of 4 texts, 2 characters/s in 0:04"]


def test_who_stops_reading_leaves_nothing_behind():
    screen = Screen()
    counter = TextCounter(screen, None)
    scores = counter.follow(counter.count(iter("abc")))
    next(scores)
    scores.close()
    assert screen.closed


def test_where_it_is_shown(monkeypatch, caplog):
    monkeypatch.setattr(counting, "in_notebook", lambda: False)
    monkeypatch.setattr(counting, "on_terminal", lambda: False)
    monkeypatch.setattr("sys.stderr", io.StringIO())
    caplog.set_level(logging.WARNING, "fastlm")
    assert text_counter(["a"], None) is None
    assert text_counter(["a"], False) is None
    assert text_counter(["a"], True)._screen is not None
    caplog.set_level(logging.INFO, "fastlm")
    assert text_counter(["a"], None)._screen is None
    monkeypatch.setattr(counting, "on_terminal", lambda: True)
    counter = text_counter(["a"], None)
    assert counter._screen is not None
    assert counter._total == 1
    assert text_counter(iter("a"), None)._total is None
    with pytest.raises(ConfigError, match="progress is 1; give True or False"):
        text_counter(["a"], 1)
