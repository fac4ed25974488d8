"""The place where something is shown: a notebook, a terminal, or none; and the lines in it."""

from __future__ import annotations

import sys
import threading
from typing import Any

from fastlm.display.notebook import NotebookScreen
from fastlm.display.screen import Screen, can_redraw

__all__ = ["begin", "end", "in_notebook", "on_terminal", "say"]

# Of the runs that are shown now, the innermost last.
_screens: list[Screen | NotebookScreen] = []


def in_notebook() -> bool:
    """Tell whether this process runs the cells of a notebook."""
    if not _is_first():
        return False
    ipython = sys.modules.get("IPython")
    shell: Any = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None


def on_terminal() -> bool:
    """Tell whether a person sees standard error, and lines on it can be redrawn."""
    return _is_first() and sys.stderr is not None and can_redraw(sys.stderr)


def _is_first() -> bool:
    """Tell whether this is the main thread of the first process: of many only one shows bars."""
    if threading.current_thread() is not threading.main_thread():
        return False
    multiprocessing: Any = sys.modules.get("multiprocessing")  # in a child it is there
    return multiprocessing is None or multiprocessing.parent_process() is None


def begin(screen: Screen | NotebookScreen) -> None:
    """Let `say` add to what a screen shows."""
    if screen not in _screens:
        _screens.append(screen)


def end(screen: Screen | NotebookScreen) -> None:
    """Let `say` leave a screen alone."""
    if screen in _screens:
        _screens.remove(screen)


def say(label: str, text: str) -> None:
    """Show a line that stays: among those of the run that is shown, else by itself.

    By itself, it is on standard error, or in the output of a notebook's cell.
    """
    if _screens:
        _screens[-1].describe(label, text)
    elif in_notebook():
        NotebookScreen().describe(label, text)
    elif sys.stderr is not None:
        Screen(sys.stderr, 79).describe(label, text)
