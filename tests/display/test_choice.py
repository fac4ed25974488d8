"""What a call shows: on a terminal, in a notebook, in a log, or nothing."""

from __future__ import annotations

import pytest

from fastlm.display import choice
from fastlm.display.log import LogProgress
from fastlm.display.notebook import NotebookScreen
from fastlm.display.progress import ConsoleProgress
from fastlm.errors import ConfigError


@pytest.mark.parametrize(
    ("notebook", "terminal", "progress", "expected"),
    [
        (False, False, None, LogProgress),
        (False, True, None, ConsoleProgress),
        (True, False, None, ConsoleProgress),
        (False, False, True, ConsoleProgress),
        (False, True, False, None),
        (True, True, False, None),
    ],
)
def test_what_is_shown(monkeypatch, notebook, terminal, progress, expected):
    monkeypatch.setattr(choice, "in_notebook", lambda: notebook)
    monkeypatch.setattr(choice, "on_terminal", lambda: terminal)
    with choice.shown_progress(progress) as shown:
        assert [type(one) for one in shown] == [expected] * (expected is not None)
    if expected is ConsoleProgress:
        assert isinstance(shown[0]._screen, NotebookScreen) is notebook


def test_an_error_restores_the_terminal(monkeypatch):
    closed = []
    monkeypatch.setattr(ConsoleProgress, "close", lambda self: closed.append(self))
    with pytest.raises(ValueError, match="stop"), choice.shown_progress(True):
        raise ValueError("stop")
    assert len(closed) == 1


@pytest.mark.parametrize("wrong", [1, "no"])
def test_another_value_is_refused(wrong):
    with (
        pytest.raises(ConfigError, match="give True or False"),
        choice.shown_progress(wrong),
    ):
        pass
