"""Where something is shown, and the lines of a run in it."""

from __future__ import annotations

import io
import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

from fastlm.display import place
from fastlm.display.screen import Screen


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_is_one_that_can_be_redrawn(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert place.on_terminal()
    monkeypatch.setenv("TERM", "dumb")
    assert not place.on_terminal()
    for stream in (io.StringIO(), None):
        monkeypatch.setattr(sys, "stderr", stream)
        assert not place.on_terminal()


def test_one_thread_of_many_shows_bars(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    with ThreadPoolExecutor(1) as pool:
        assert not pool.submit(place.on_terminal).result()
    assert place.on_terminal()
    monkeypatch.setattr("multiprocessing.parent_process", lambda: "a process")
    assert not place.on_terminal()
    assert not place.in_notebook()


def test_a_notebook_is_a_kernel_of_ipython(monkeypatch):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert not place.in_notebook()
    for shell, expected in ((None, False), (SimpleNamespace(), False), ("kernel", True)):
        shell = SimpleNamespace(kernel=1) if shell == "kernel" else shell
        module = SimpleNamespace(get_ipython=lambda shell=shell: shell)
        monkeypatch.setitem(sys.modules, "IPython", module)
        assert place.in_notebook() is expected


def test_lines_go_to_the_run_that_is_shown_else_to_standard_error(monkeypatch):
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    run, inner = io.StringIO(), io.StringIO()
    outer_screen, inner_screen = Screen(run, 79), Screen(inner, 79)
    place.say("sample", "before")
    place.begin(outer_screen)
    place.begin(outer_screen)
    place.say("sample", "in the run")
    place.begin(inner_screen)
    place.say("sample", "in the inner run")
    place.end(inner_screen)
    place.end(outer_screen)
    place.end(outer_screen)
    place.say("sample", "after")
    assert run.getvalue() == "sample      in the run\n"
    assert inner.getvalue() == "sample      in the inner run\n"
    assert sys.stderr.getvalue() == "sample      before\nsample      after\n"
    monkeypatch.setattr(sys, "stderr", None)
    place.say("sample", "where nobody reads")
