"""A whole benchmark: check, measure, and what came out as one dictionary that JSON can hold.

``format`` 3, with the keys

- ``quick``; ``machine``: see ``machine.machine_facts``; ``limits``: see ``machine.machine_limits``
- ``start``: see ``start.measure_start``, or null
- ``works``: for each its ``name``, ``title``, sizes, ``flops_per_token``, ``checked_steps``,
  ``rounds`` (how many were ``measured``; how many of them were ``clean``, not disturbed from
  outside: see ``disturbance``; and ``parts``, the sweeps of those that count), ``sgemm_gflops``
  (the machine's in the same rounds, by number of threads), and ``rows``: for each implementation
  ``kind``, ``name``, ``threads``, ``tokens_per_second``, ``slower_than_fastlm`` (how many times as
  fast fastlm with its own choice of threads is), ``sgemm_share`` (of what sgemm reached on as many
  threads, or null: ``limits.blas_obeys``) and ``first_step_seconds`` (its first step of this work,
  compilation included; never part of a rate)
- ``notes``: what was left out, and why

A measured quantity is ``{"median", "low", "high", "rounds"}``, a ratio of two
``{"mean", "low", "high", "rounds"}`` (``measure.Figure``, ``measure.Ratio``).
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from fastlm.bench.check import check_steps
from fastlm.bench.disturbance import FEWEST
from fastlm.bench.limits import TELL_BLAS, blas_obeys
from fastlm.bench.machine import machine_facts, machine_limits
from fastlm.bench.measure import Rounds, Settings, ratio
from fastlm.bench.results import FORMAT
from fastlm.bench.start import measure_start
from fastlm.bench.sweep import Progress, measure_next_part, own_process
from fastlm.bench.torch_steps import INSTALL_TORCH, can_compile, torch_is_installed
from fastlm.bench.works import Work
from fastlm.errors import ConfigError
from fastlm_kernels.runtime.jit import JIT_DISABLED

__all__ = ["FULL", "QUICK", "run_benchmark"]

FULL = Settings(
    rounds=9, seconds=0.1, limit_seconds=0.03, precision=0.07, work_seconds=90.0, sweeps=8
)
QUICK = Settings(
    rounds=3,
    seconds=0.05,
    limit_seconds=0.02,
    precision=0.05,
    work_seconds=3.0,
    budget=40.0,
    start=False,
)

_LIMIT_SECONDS = 0.2


def run_benchmark(
    works: Sequence[Work],
    settings: Settings,
    *,
    torch_compile: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """Measure these works, each only after a check that all implementations do the same.

    torch_compile : whether ``torch.compile`` takes part
    say : told what is going on

    Raises
    ------
    BenchmarkError
        When an implementation does other work than it should.
    ConfigError
        When JIT is off: there would be nothing to measure.
    """
    if JIT_DISABLED:
        raise ConfigError(
            "NUMBA_DISABLE_JIT is set, and a benchmark of compiled kernels needs the compiler; "
            "unset it"
        )
    began = time.perf_counter()
    facts = machine_facts()
    say("the machine's limits")
    limits = machine_limits(facts["cores"], _LIMIT_SECONDS)
    start = None
    if settings.start:
        say("cold and warm start")
        start = measure_start()
    notes = []
    if not torch_is_installed():
        notes.append(f"PyTorch is not installed: {INSTALL_TORCH}")
    if not blas_obeys():
        notes.append(TELL_BLAS)
    if torch_compile and not can_compile():
        notes.append("torch.compile is left out: there is no C++ compiler")
        torch_compile = False
    measured = [Progress.begin(work, settings, torch_compile) for work in works]
    for sweep in range(1, settings.sweeps + 1):
        rounds = [each.rounds for each in measured]
        if rounds and all(each.is_sure for each in rounds):
            break
        remaining = settings.work_seconds * len(rounds) - sum(each.spent for each in rounds)
        shares = _shares(rounds, max(0.0, remaining))
        sweeps_left = settings.sweeps + 1 - sweep
        which = "" if sweep == 1 else f" (sweep {sweep} of {settings.sweeps})"
        # A single sweep has nothing to gain from a process of its own, which starts for seconds.
        with own_process() if settings.sweeps > 1 else nullcontext(measure_next_part) as measure:
            for number, seconds in enumerate(shares):
                work = measured[number].work
                if settings.budget is not None and time.perf_counter() - began > settings.budget:
                    left = ", ".join(each.work.name for each in measured[number:])
                    notes.append(f"left out, to keep the quick form quick: {left}")
                    del measured[number:]
                    break
                say(work.title + which)
                measured[number] = measure(
                    measured[number], seconds / sweeps_left, sweeps_left == 1
                )
    results = [_result(each, facts["cores"]) for each in measured]
    _take_over_sgemm(limits, results, facts["cores"])
    busy = [work["name"] for work in results if work["rounds"]["clean"] < FEWEST]
    if busy:
        notes.append(
            "the machine was busy with something else, and disturbed rounds had to do, "
            f"for {', '.join(busy)}: these figures are rough; measure again when it is quiet"
        )
    return {
        "format": FORMAT,
        "quick": settings.budget is not None,
        "machine": facts,
        "limits": limits,
        "start": start,
        "works": results,
        "notes": notes,
    }


def _shares(rounds: Sequence[Rounds], remaining: float) -> list[float]:
    """How the ``remaining`` seconds are shared by those who are not sure: at first all alike; once
    all have seen enough parts in proportion to how unsure they were after a second (Neyman's
    allocation: the squares of uncertainties, which fall with the square root of the time, come to
    the least sum).

    What somebody had too much or too little of before is not made up for: his rounds would come
    from few sweeps then, and these from one state of the machine.
    """
    takers = [each for each in rounds if not each.is_sure]
    wanted = dict.fromkeys(takers, 1.0)
    if all(each.has_seen_enough_parts for each in takers):
        after_a_second = {each: each.uncertainty * math.sqrt(each.spent) for each in takers}
        if any(after_a_second.values()):
            wanted = after_a_second
    scale = remaining / (sum(wanted.values()) or 1.0)
    return [scale * wanted.get(each, 0.0) for each in rounds]


def _take_over_sgemm(
    limits: dict[str, dict[str, float | None]], works: Sequence[dict[str, Any]], cores: int
) -> None:
    """What sgemm reached in all rounds that count is known better than from one look before."""
    for key, threads in (("one", 1), ("all", cores)):
        found = [
            rate
            for work in works
            for rate in work["sgemm_gflops"].get(str(threads), {"rounds": []})["rounds"]
        ]
        if found and limits["sgemm_gflops"][key] is not None:
            limits["sgemm_gflops"][key] = float(np.median(found))


def _result(measured: Progress, cores: int) -> dict[str, Any]:
    work, parties, found = measured.work, measured.parties, measured.rounds.found()
    ours = found.rates[parties[-1].name].rounds
    rows = []
    for party in parties:
        rate = found.rates[party.name]
        share = None
        if blas_obeys() or party.threads == cores:
            flops = [tokens * work.flops_per_token for tokens in rate.rounds]
            limit = [gflops * 1e9 for gflops in found.limits[party.threads].rounds]
            share = dataclasses.asdict(ratio(flops, limit))
        rows.append(
            {
                "kind": party.kind,
                "name": party.name,
                "threads": party.threads,
                "tokens_per_second": dataclasses.asdict(rate),
                "slower_than_fastlm": dataclasses.asdict(ratio(ours, rate.rounds)),
                "sgemm_share": share,
                "first_step_seconds": party.first_step_seconds,
            }
        )
    return {
        **dataclasses.asdict(work),
        "hidden": list(work.hidden),
        "cutoffs": list(work.cutoffs),
        "flops_per_token": work.flops_per_token,
        "checked_steps": check_steps(work),
        "rounds": {"measured": found.rounds, "clean": found.clean, "parts": found.parts},
        "sgemm_gflops": {
            str(threads): dataclasses.asdict(limit) for threads, limit in found.limits.items()
        },
        "rows": rows,
    }
