"""From nothing to the first training step: the first time ever, and every time after."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from fastlm.errors import FastlmError

__all__ = ["measure_start", "start_once"]

_PROGRAM = """
import json, time
begin = time.perf_counter()
import fastlm.engine.training
imported = time.perf_counter()
from fastlm.bench.engine_steps import Engine
from fastlm.bench.works import works_named
engine = Engine(works_named(["tiny-256"])[0])
ready = time.perf_counter()
engine.run(1)
print(json.dumps({"import": imported - begin, "first_step": time.perf_counter() - ready}))
"""


def start_once(cache: Path) -> dict[str, float]:
    """Start a process that trains one step, with its compiled kernels in the folder ``cache``.

    Returns seconds: ``import`` of the engine, ``first_step`` (compiling, or loading what was
    compiled, is part of it) and ``total`` of the process.
    """
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    total = time.perf_counter() - start
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise FastlmError(f"a process that trains one step ended with {done.returncode}: {last}")
    seconds: dict[str, Any] = json.loads(done.stdout)
    return {**seconds, "total": total}


def measure_start() -> dict[str, dict[str, float]]:
    """The ``cold`` start, which compiles, and the ``warm`` one, which finds all compiled."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        return {"cold": start_once(Path(folder)), "warm": start_once(Path(folder))}
