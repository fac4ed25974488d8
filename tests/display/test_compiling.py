"""Compiling is announced wherever it happens, once."""

from __future__ import annotations

import logging
import sys
from collections import defaultdict
from types import SimpleNamespace

import pytest
from numba.core import event

from fastlm.display import compiling
from fastlm.wording import as_options


def compile_kernel(module="fastlm_kernels.passes.training"):
    """What Numba does when it begins to compile a function."""
    function = SimpleNamespace(__module__=module)
    with event.trigger_event(
        "numba:compile", data={"dispatcher": SimpleNamespace(py_func=function)}
    ):
        pass


@pytest.fixture(autouse=True)
def new_process(monkeypatch, caplog):
    monkeypatch.setattr(compiling, "_state", {"watching": False, "announced": False, "silent": 0})
    monkeypatch.setattr(compiling, "in_notebook", lambda: False)
    monkeypatch.setattr(compiling, "on_terminal", lambda: False)
    monkeypatch.setattr(event, "_registered", defaultdict(list))  # not those of other tests
    caplog.set_level(logging.INFO, "fastlm")


def test_the_first_kernel_is_announced(caplog):
    compile_kernel()
    compiling.watch_compiling()
    compiling.watch_compiling()
    assert caplog.messages == []
    compile_kernel("users.own")
    assert caplog.messages == []
    compile_kernel()
    compile_kernel()
    (message,) = caplog.messages
    assert message.startswith("compiling kernels for the first time")


def test_on_a_terminal_it_is_said_there(monkeypatch, capsys):
    monkeypatch.setattr(compiling, "on_terminal", lambda: True)
    compiling.watch_compiling()
    compile_kernel()
    assert capsys.readouterr().err.startswith("compiling   kernels for the first time")


def test_it_is_not_said_twice_or_where_nobody_asked(caplog):
    compiling.watch_compiling()
    with compiling.silent():
        compile_kernel()
    with as_options():
        compile_kernel()
    assert caplog.messages == []
    assert not compiling.announced()
    assert compiling.announced()
    compile_kernel()
    assert caplog.messages == []


def test_the_event_is_numbas(caplog):
    """A function that is compiled here and now, as if it were a kernel."""
    from numba import njit

    def one():
        return 1

    one.__module__ = "fastlm_kernels.test"
    compiling.watch_compiling()
    njit(one)()
    is_compiled = sys.modules["numba"].config.DISABLE_JIT == 0
    assert len(caplog.messages) == is_compiled
