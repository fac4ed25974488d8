"""The engine's own kernels as plain Python: a second process, in which Numba compiles nothing.

The process reads a line of JSON for each request and answers with one:
the fields of the work -> ``{}``; ``{"steps": n}`` -> ``{"seconds": s, "losses": [...],
"processor_seconds": s}``, the last since its beginning;
``{"params": true}`` -> ``{"params": "..."}``, float32 in base64.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import time
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from fastlm.bench.implementations import Implementation, Turn
from fastlm.bench.works import Work
from fastlm.errors import FastlmError

__all__ = ["WithoutJit", "ends_without_jit"]

# A step of Mini with one example takes about a second without JIT, and that is enough.
_MOST_FLOPS = 1_500_000


def ends_without_jit(work: Work) -> bool:
    """Whether a step without JIT ends within about a second."""
    return work.flops_per_token * work.batch <= _MOST_FLOPS


class WithoutJit(Implementation):
    kind = "nojit"

    def __init__(self, work: Work) -> None:
        self.name = "fastlm, JIT off"
        self.threads = 1
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fastlm.bench.without_jit"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        )
        self._ask(dataclasses.asdict(work))

    def run(self, steps: int) -> list[float]:
        losses: list[float] = self._steps(steps)["losses"]
        return losses

    def turn(self, steps: int) -> Turn:
        answer = self._steps(steps)
        return Turn(steps, answer["seconds"], answer["losses"][-1])

    def params(self) -> NDArray[np.float32]:
        return np.frombuffer(base64.b64decode(self._ask({"params": True})["params"]), np.float32)

    def close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                # What was meant for a process that is gone cannot be flushed.
                with contextlib.suppress(OSError):
                    stream.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _steps(self, steps: int) -> dict[str, Any]:
        answer = self._ask({"steps": steps})
        self.seconds_elsewhere = answer["processor_seconds"]
        return answer

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = ""
        with contextlib.suppress(OSError):
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if not line:
            raise FastlmError(
                f"the process without JIT ended with code {self._process.wait()}; "
                "its message stands above"
            )
        answer: dict[str, Any] = json.loads(line)
        return answer


def _serve(requests: TextIO, answers: TextIO) -> None:
    from fastlm.bench.engine_steps import Engine

    fields = json.loads(requests.readline())
    tuples = {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
    engine = Engine(Work(**(fields | tuples)), threads=1)
    print("{}", file=answers, flush=True)
    for line in requests:
        request = json.loads(line)
        if "steps" in request:
            start = time.perf_counter()
            losses = engine.run(request["steps"])
            seconds = time.perf_counter() - start
            answer = {
                "seconds": seconds,
                "losses": losses.tolist(),
                "processor_seconds": time.process_time(),
            }
        else:
            answer = {"params": base64.b64encode(engine.params().tobytes()).decode("ascii")}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    _serve(sys.stdin, sys.stdout)
