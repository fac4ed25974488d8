"""The announcement that kernels are compiled, wherever that happens."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fastlm.display.place import in_notebook, on_terminal, say
from fastlm.engine.precompile import compiling_text
from fastlm.wording import are_options

__all__ = ["announced", "silent", "watch_compiling"]

_LOCK = threading.Lock()
_state = {"watching": False, "announced": False, "silent": 0}


@contextmanager
def silent() -> Iterator[None]:
    """Announce nothing within the context."""
    _state["silent"] += 1
    try:
        yield
    finally:
        _state["silent"] -= 1


def announced() -> bool:
    """Tell whether compiling has been announced; from now on it counts as announced."""
    before, _state["announced"] = bool(_state["announced"]), True
    return before


def watch_compiling() -> None:
    """Announce from now on when this process compiles its first kernel; a cached one is none.

    It costs nothing where nothing is compiled: Numba calls a listener at the start of compiling.
    """
    with _LOCK:
        if _state["watching"]:
            return
        _state["watching"] = True
    from numba.core import event

    class _Listener(event.Listener):
        def on_start(self, started: Any) -> None:
            function = getattr((started.data or {}).get("dispatcher"), "py_func", None)
            if str(getattr(function, "__module__", "")).startswith("fastlm_kernels."):
                _announce()

        def on_end(self, ended: Any) -> None:
            pass

    event.register("numba:compile", _Listener())  # type: ignore[no-untyped-call]


def _announce() -> None:
    if _state["silent"] or are_options() or announced():  # the command line tells it itself
        return
    text = f"{compiling_text()} ..."
    if in_notebook() or on_terminal():
        say("compiling", text)
    else:
        logging.getLogger("fastlm").info("compiling %s", text)
