"""Training steps by the engine: compiled, and as plain Python in a process without JIT.

That process reads pickled requests ``(method, *arguments)`` for an ``Engine`` from standard input,
after the workload itself, and writes each result, pickled, to standard output.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fastlm.bench.implementations import Implementation, TimedRun
from fastlm.bench.workloads import Workload, initial_params, tokens
from fastlm.engine.training import TrainingEngine
from fastlm.errors import FastlmError

__all__ = ["Engine", "WithoutJit", "ends_without_jit"]

# FLOP of a step that takes about a second without JIT: Mini with one example.
_MOST_FLOPS_WITHOUT_JIT = 1_500_000


class Engine(Implementation):
    """The compiled kernels, with ``threads`` threads or (None) the engine's own choice."""

    kind = "engine"

    def __init__(self, workload: Workload, threads: int | None = None) -> None:
        self._workload = workload
        self._threads = threads
        self.restart()
        self.threads = self._engine.threads
        self.name = f"fastlm, {self.threads} thread{'s' if self.threads > 1 else ''}"

    def restart(self) -> None:
        workload, threads = self._workload, self._threads
        self._engine = TrainingEngine(
            workload.model, workload.training(threads), tokens(workload), initial_params(workload)
        )
        if threads is not None:
            self._engine.threads = threads

    def run(self, steps: int) -> NDArray[np.float64]:
        return self._engine.run(np.full(steps, self._workload.lr))

    def params(self) -> NDArray[np.float32]:
        return self._engine.snapshot()[0]


def ends_without_jit(workload: Workload) -> bool:
    """Return whether a step without JIT ends within about a second."""
    return workload.flops_per_token * workload.batch <= _MOST_FLOPS_WITHOUT_JIT


class WithoutJit(Implementation):
    """The same kernels as plain Python, on one thread of another process, which times itself."""

    kind = "nojit"

    def __init__(self, workload: Workload) -> None:
        self.name = "fastlm, JIT off"
        self.threads = 1
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fastlm.bench.engine_steps"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        )
        self._ask(workload)

    def restart(self) -> None:
        self._ask(("restart",))

    def run(self, steps: int) -> NDArray[np.float64]:
        losses: NDArray[np.float64] = self._ask(("run", steps))
        return losses

    def timed_run(self, steps: int) -> TimedRun:
        timed: TimedRun = self._ask(("timed_run", steps))
        return timed

    def params(self) -> NDArray[np.float32]:
        params: NDArray[np.float32] = self._ask(("params",))
        return params

    def close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                # A request to a process that has ended cannot be flushed.
                with contextlib.suppress(OSError):
                    stream.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask(self, request: object) -> Any:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            pickle.dump(request, self._process.stdin)
            self._process.stdin.flush()
            return pickle.load(self._process.stdout)
        except (OSError, EOFError, pickle.UnpicklingError):
            raise FastlmError(
                f"the process without JIT ended with code {self._process.wait()}; "
                "its message stands above"
            ) from None


def _serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until there are no more."""

    def answer(value: object) -> None:
        pickle.dump(value, answers)
        answers.flush()

    engine = Engine(pickle.load(requests), threads=1)
    answer(None)
    with contextlib.suppress(EOFError):
        while True:
            method, *arguments = pickle.load(requests)
            answer(getattr(engine, method)(*arguments))


if __name__ == "__main__":
    _serve(sys.stdin.buffer, sys.stdout.buffer)
