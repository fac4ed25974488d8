"""A whole benchmark: check, measure, and the result as a dictionary that JSON can hold.

The result has the keys

- ``format``: ``table.FORMAT``; ``quick``: whether time was limited and workloads may be missing
- ``machine``: ``machine.machine_facts``; ``limits``: ``machine.machine_limits``
- ``start``: ``start.measure_start``, or null
- ``workloads``: for each its ``name``, ``title``, sizes, ``flops_per_token``, ``checked_steps``,
  ``sgemm_gflops`` (the machine's in the same rounds, by number of threads), ``best_peer`` (the
  ``name`` of the fastest row of Python, NumPy, PyTorch or JAX; null if there is none) and ``rows``:
  for each implementation ``kind``, ``name``, ``threads``, ``tokens_per_second``,
  ``slower_than_fastlm`` (how many times as fast fastlm with its own choice of threads is),
  ``sgemm_share`` (fraction of the FLOP/s of sgemm on as many threads; null where BLAS cannot be
  told their number) and
  ``first_step_seconds`` (of its first step, compilation included; never part of a rate)
- ``notes``: what was left out, and why

A measured quantity is ``{"median", "low", "high", "rounds"}`` (``measure.Figure``).
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any

from fastlm.bench.check import check_same_work, check_steps
from fastlm.bench.contestants import contestants, missing_peers
from fastlm.bench.machine import TELL_BLAS, blas_obeys, machine_facts, machine_limits
from fastlm.bench.measure import Settings, measure_rounds, ratio
from fastlm.bench.start import measure_start
from fastlm.bench.table import FORMAT, best_peer
from fastlm.bench.torch_steps import can_compile
from fastlm.bench.workloads import Workload
from fastlm.errors import ConfigError
from fastlm_kernels.runtime.jit import JIT_DISABLED

__all__ = ["DEFAULT", "run_benchmark", "settings_for"]

# Under a minute on two quiet cores with PyTorch and JAX, apart from compiling.
DEFAULT = Settings(rounds=3, run_seconds=0.05, budget=38.0)

# Half the distance of the quartiles, relative to the median, above which a note says so.
_ROUGH = 0.3

# Kinds whose first step may compile.
_COMPILED = ("engine", "torch-compile", "jax")


def settings_for(rounds: int | None, *, start: bool) -> Settings:
    """Return the settings for a number of rounds without a time limit, or (None) the default.

    Raises ConfigError unless ``rounds`` is at least 1.
    """
    if rounds is None:
        return DEFAULT
    if rounds < 1:
        raise ConfigError(f"rounds is {rounds}; give a whole number of at least 1")
    return Settings(rounds=rounds, run_seconds=0.1, start=start)


def run_benchmark(
    workloads: Sequence[Workload],
    settings: Settings,
    *,
    torch_compile: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Measure these workloads, each after a check that all implementations do the same.

    Parameters
    ----------
    say
        Called with what is being measured.

    Raises
    ------
    BenchmarkError
        When an implementation does other work than it should.
    ConfigError
        When JIT is off, so that there is nothing to measure.
    """
    if JIT_DISABLED:
        raise ConfigError(
            "NUMBA_DISABLE_JIT is set, and a benchmark of compiled kernels needs the compiler; "
            "unset it"
        )
    facts = machine_facts()
    notes = [note for note in (missing_peers(), "" if blas_obeys() else TELL_BLAS) if note]
    if torch_compile and not can_compile():
        notes.append("torch.compile is left out: there is no C++ compiler")
        torch_compile = False
    began = time.perf_counter()
    compiling = 0.0
    say("the machine's limits")
    limits = machine_limits(facts["cores"])
    start = None
    if settings.start:
        say("cold and warm start")
        start = measure_start()
    results: list[dict[str, Any]] = []
    for number, workload in enumerate(workloads):
        spent = time.perf_counter() - began - compiling
        if settings.budget is not None and spent > settings.budget:
            left = ", ".join(each.name for each in workloads[number:])
            notes.append(f"left out, to stay under a minute: {left}; --rounds measures them all")
            break
        say(workload.title)
        results.append(_measure(workload, settings, facts["cores"], torch_compile))
        compiling += sum(
            row["first_step_seconds"] for row in results[-1]["rows"] if row["kind"] in _COMPILED
        )
    rough = [each["name"] for each in results if max(map(_spread, each["rows"])) > _ROUGH]
    if rough:
        notes.append(
            f"spread above {_ROUGH:.0%}, figures are rough: {', '.join(rough)}; measure again when "
            "the machine has nothing else to do"
        )
    return {
        "format": FORMAT,
        "quick": settings.budget is not None,
        "machine": facts,
        "limits": limits,
        "start": start,
        "workloads": results,
        "notes": notes,
    }


def _spread(row: dict[str, Any]) -> float:
    rate = row["tokens_per_second"]
    return float((rate["high"] - rate["low"]) / 2 / rate["median"])


def _measure(
    workload: Workload, settings: Settings, cores: int, torch_compile: bool
) -> dict[str, Any]:
    """Return the entry of a workload in the result."""
    with ExitStack() as stack:
        implementations = [
            stack.enter_context(make())
            for make in contestants(workload, torch_compile=torch_compile).values()
        ]
        first_steps = check_same_work(workload, implementations)
        found = measure_rounds(workload, implementations, settings)
    ours = found.rates[implementations[-1].name].rounds
    rows = []
    for implementation in implementations:
        name, threads = implementation.name, implementation.threads
        rate = found.rates[name]
        gflops = [tokens * workload.flops_per_token / 1e9 for tokens in rate.rounds]
        known = blas_obeys() or threads == cores
        share = dataclasses.asdict(ratio(gflops, found.sgemm[threads].rounds)) if known else None
        rows.append(
            {
                "kind": implementation.kind,
                "name": name,
                "threads": threads,
                "tokens_per_second": dataclasses.asdict(rate),
                "slower_than_fastlm": dataclasses.asdict(ratio(ours, rate.rounds)),
                "sgemm_share": share,
                "first_step_seconds": first_steps[name],
            }
        )
    peer = best_peer({"rows": rows})
    return {
        **dataclasses.asdict(workload),
        "hidden": list(workload.hidden),
        "cutoffs": list(workload.cutoffs),
        "flops_per_token": workload.flops_per_token,
        "checked_steps": check_steps(workload),
        "sgemm_gflops": {str(n): dataclasses.asdict(limit) for n, limit in found.sgemm.items()},
        "best_peer": None if peer is None else peer["name"],
        "rows": rows,
    }
