"""An implementation in another process, for what is fixed when a process starts.

That process reads pickled messages from standard input: a function that makes the implementation,
or ``(method, *arguments)`` for the one it has. It writes each result, pickled, to standard output.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import pickle
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fastlm.bench.implementations import Implementation, TimedRun
from fastlm.errors import FastlmError

__all__ = ["OtherProcess"]

# Idle processes by their environment, for the next workload: one takes seconds to start.
_idle: dict[tuple[tuple[str, str], ...], list[subprocess.Popen[bytes]]] = defaultdict(list)


class OtherProcess(Implementation):
    """What ``make`` returns in a process with this environment, which times its own steps."""

    def __init__(self, make: Callable[[], Implementation], environment: Mapping[str, str]) -> None:
        self._environment = tuple(environment.items())
        idle = _idle[self._environment]
        self._process = idle.pop() if idle else _start(environment)
        self.kind, self.name, self.threads = self._ask(make)

    def restart(self) -> None:
        """Start again at the initial weights and the first batch, in new arrays."""
        self._ask(("restart",))

    def run(self, steps: int) -> NDArray[np.floating]:
        """Do the next ``steps`` training steps; return the mean loss of each batch, nats."""
        return np.asarray(self._ask(("run", steps)))

    def timed_run(self, steps: int) -> TimedRun:
        """Do the next ``steps`` training steps; the other process measures their wall time."""
        timed: TimedRun = self._ask(("timed_run", steps))
        return timed

    def params(self) -> NDArray[np.float32]:
        """Return the current weights, float32[n]."""
        return np.asarray(self._ask(("params",)))

    def close(self) -> None:
        """Leave the process to the next workload, without the memory of this one."""
        if self._process.poll() is None:
            self._ask(None)
            _idle[self._environment].append(self._process)
        else:
            _end(self._process)

    def _ask(self, message: object) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            pickle.dump(message, self._process.stdin)
            self._process.stdin.flush()
            return pickle.load(self._process.stdout)
        except (OSError, EOFError, pickle.UnpicklingError):
            variables = " ".join(f"{name}={value}" for name, value in self._environment)
            raise FastlmError(
                f"the process with {variables} ended with code {self._process.wait()}; "
                "its message stands above"
            ) from None


def _start(environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "fastlm.bench.other_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **environment},
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process by closing its standard input, or, where that does not help, by force."""
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            # A message to a process that has ended cannot be flushed.
            with contextlib.suppress(OSError):
                stream.close()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@atexit.register
def _end_idle() -> None:
    for processes in _idle.values():
        while processes:
            _end(processes.pop())


def _serve(messages: BinaryIO, answers: BinaryIO) -> None:
    """Answer messages until there are no more."""
    implementation: Implementation | None = None
    with contextlib.suppress(EOFError):
        while True:
            answer = None
            match pickle.load(messages):
                case None:
                    implementation = None
                case (method, *arguments):
                    answer = getattr(implementation, method)(*arguments)
                case make:
                    implementation = make()
                    answer = (implementation.kind, implementation.name, implementation.threads)
            pickle.dump(answer, answers)
            answers.flush()


if __name__ == "__main__":
    _serve(sys.stdin.buffer, sys.stdout.buffer)
