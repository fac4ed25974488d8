"""A busy machine: two threads while another process spins on one of two cores.

    python bench/busy.py

Prints a table: tokens/s with two threads on both cores and with one thread on the free core, while
the other process spins all along, and their ratio: 1 is what a second thread that cannot help
should cost, less than 1 is a loss. Linux only: elsewhere a process cannot be tied to a core.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

from fastlm.bench.kernel_cache import use_kernel_cache

use_kernel_cache()

from fastlm.bench.engine_steps import Engine  # noqa: E402
from fastlm.bench.measure import figure, ratio, steps_for  # noqa: E402
from fastlm.bench.table import rate_text  # noqa: E402
from fastlm.bench.works import WORKS, Work, works_named  # noqa: E402

NAMES = ["mini-256", "char-256", "10k-256"]


@contextlib.contextmanager
def spinning(core: int) -> Iterator[None]:
    """While within, another process keeps this core busy."""
    process = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        os.sched_setaffinity(process.pid, {core})
        yield
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def tied_to(cores: set[int]) -> Iterator[None]:
    """While within, this thread and those that it starts run on these cores only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def measure(work: Work, rounds: int, seconds: float) -> tuple[list[float], list[float]]:
    """Tokens/s in each round: (two threads on both cores, one thread on the free core)."""
    busy, free = sorted(os.sched_getaffinity(0))[:2]
    both: list[float] = []
    alone: list[float] = []
    one, two = Engine(work, threads=1), Engine(work, threads=2)
    with spinning(busy):
        turns = []
        for engine, cores, rates in ((two, {busy, free}, both), (one, {free}, alone)):
            with tied_to(cores):
                turns.append((engine, cores, rates, steps_for(engine, seconds)))
        for _ in range(rounds):
            for engine, cores, rates, steps in turns:
                with tied_to(cores):
                    turn = engine.turn(steps)
                rates.append(turn.steps * work.batch / turn.seconds)
    return both, alone


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=1.0, help="of a turn")
    parser.add_argument(
        "--only", action="append", metavar="NAME", choices=[work.name for work in WORKS]
    )
    options = parser.parse_args(arguments)
    if not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2:
        print("error: needs Linux and at least two cores", file=sys.stderr)
        return 1
    print(
        "| tokens/s, a core busy | 2 threads, both cores | 1 thread, free core "
        "| ratio | quartiles |"
    )
    print("| --- | ---: | ---: | ---: | ---: |")
    for work in works_named(options.only or NAMES):
        both, alone = measure(work, options.rounds, options.seconds)
        share = ratio(both, alone)
        print(
            f"| {work.title} | {rate_text(figure(both).median)} "
            f"| {rate_text(figure(alone).median)} | {share.mean:.2f} "
            f"| {share.low:.2f} to {share.high:.2f} |",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
