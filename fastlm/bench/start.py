"""Seconds from starting a process to its first training step, with and without compiling."""

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
from fastlm.bench.workloads import select_workloads
engine = Engine(select_workloads(["tiny-256"])[0])
ready = time.perf_counter()
engine.run(1)
print(json.dumps({"import": imported - begin, "first_step": time.perf_counter() - ready}))
"""


def start_once(cache: Path | None = None) -> dict[str, float]:
    """Start a process that trains one step, with its compiled kernels in the folder ``cache``.

    None is the folder that every start uses.

    Returns seconds: ``import`` of the engine, ``first_step`` (compiling or loading compiled kernels
    included) and ``total`` of the process. Raises FastlmError if the process fails.
    """
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        env=os.environ | ({} if cache is None else {"NUMBA_CACHE_DIR": str(cache)}),
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
    """Measure the ``cold`` start, which compiles, and the ``warm`` one, which does not."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        return {"cold": start_once(Path(folder)), "warm": start_once(Path(folder))}
