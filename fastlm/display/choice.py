"""The choice of what a call in Python shows: a terminal's lines, a notebook's cell, or a log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fastlm.callbacks import Callback
from fastlm.checks import check_flag
from fastlm.display.compiling import silent, watch_compiling
from fastlm.display.log import LogProgress
from fastlm.display.notebook import NotebookScreen
from fastlm.display.place import in_notebook, on_terminal
from fastlm.display.progress import ConsoleProgress

__all__ = ["shown_progress"]


@contextmanager
def shown_progress(progress: bool | None) -> Iterator[list[Callback]]:
    """Give the callbacks that show a run: one, or none where ``progress`` is False.

    Parameters
    ----------
    progress : bool, optional
        True: show it, on standard error or in the notebook. None: where a person sees it, else
        log it (logger ``fastlm``, level INFO).

    Raises
    ------
    ConfigError
        For what is none of these.
    """
    if progress is not None:
        check_flag("progress", progress)
    if progress is False:
        with silent():
            yield []
        return
    watch_compiling()
    if in_notebook():
        shown = ConsoleProgress(screen=NotebookScreen())
    elif progress or on_terminal():
        shown = ConsoleProgress()
    else:
        yield [LogProgress()]
        return
    with shown:
        yield [shown]
