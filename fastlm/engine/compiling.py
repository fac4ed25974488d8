"""Compiling in two processes, which share a list: a first start waits less.

Numba compiles one function at a time in a process, but finds in its cache what another process has
compiled. The first process works through the list from its first entry, the second from its last.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import IO

__all__ = ["SecondProcess", "compile_together", "share_with"]

_second: list[SecondProcess] = []  # kept: collecting one that runs is a ResourceWarning
_compiled: set[str] = set()  # by name, in this process


def compile_together(compilations: Mapping[str, Callable[[], object]]) -> None:
    """Compile or load everything: here from the first on, in the second process from the last.

    Parameters
    ----------
    compilations : mapping of str to callable
        What compiles or loads each; what was compiled before in this process is left out. Names
        are those of ``precompile.serve``.
    """
    left = [name for name in compilations if name not in _compiled]
    if not left:
        return
    second = _second[-1] if _second else None
    if second is not None:
        second.start_taking(left)
    while left:
        try:
            name = left.pop(0)
        except IndexError:  # the other has just taken the last one
            break
        compilations[name]()
    if second is not None:
        for name in second.wait():
            compilations[name]()  # loads it, or compiles it where the second process failed
    _compiled.update(compilations)


def share_with(process: SecondProcess) -> None:
    """Have ``compile_together`` share its work with a process."""
    _second.append(process)


class SecondProcess:
    """A process that compiles what is written to its standard input, and answers each name.

    Parameters
    ----------
    program : str
        Python source. It answers each line of its standard input by a line.
    first : sequence of str
        What it compiles before it takes anything from a list.
    """

    def __init__(self, program: str, first: Sequence[str] = ()) -> None:
        self._first = list(first)
        self._taken: list[str] = []
        self._thread: threading.Thread | None = None
        self.process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,  # the system closes it when this process ends, however it does
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in the terminal is not for it
            text=True,
        )

    def start_taking(self, left: list[str]) -> None:
        """Have the process compile from the end of ``left`` until nothing is left there."""
        self._taken = []
        self._thread = threading.Thread(
            target=self._take, args=(left,), name="fastlm-compiling", daemon=True
        )
        self._thread.start()

    def wait(self) -> list[str]:
        """Wait until the process has done what it has taken; return the names."""
        if self._thread is not None:
            self._thread.join()
        return self._taken

    def _take(self, left: list[str]) -> None:
        stdin, stdout = self.process.stdin, self.process.stdout
        assert stdin is not None
        assert stdout is not None
        with contextlib.suppress(IndexError, OSError, ValueError):
            while self._first and self._ask(self._first.pop(0), stdin, stdout):
                pass
            while self._ask("", stdin, stdout):  # it is ready for more
                name = left.pop()
                self._taken.append(name)
                if not self._ask(name, stdin, stdout):
                    return

    @staticmethod
    def _ask(name: str, stdin: IO[str], stdout: IO[str]) -> bool:
        """Send a name and wait for the answer; return whether there was one."""
        stdin.write(f"{name}\n")
        stdin.flush()
        return bool(stdout.readline())
