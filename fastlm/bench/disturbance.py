"""What else the machine did during a round, and which rounds therefore do not count.

The rule looks at nothing that an implementation does: at the processor time that others took (where
the system tells) and at the machine's own sgemm beside the turns. A round counts for everybody or
for nobody, so leaving one out cannot favour anybody, and who is slow by his own fault stays slow.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from fastlm.system.resources import available_processors

__all__ = ["FEWEST", "OTHERS_BUSY", "SGEMM_SLOWER", "busy_seconds", "disturbances", "undisturbed"]

OTHERS_BUSY = 0.15
"""A round is disturbed where others took more than this share of a processor."""

SGEMM_SLOWER = 0.25
"""Or where sgemm with most threads, compared with fewest, was slower by more than this share than
in the better rounds: one of the processors was taken. What slows all of them, such as the clock or
a neighbour's memory traffic, falls out of the ratios."""

FEWEST = 3
"""Clean rounds that are enough for a median."""

_STAT = Path("/proc/stat")
# user, nice, system, irq, softirq, steal; 4 and 5 are idle and iowait.
_PLACES = (1, 2, 3, 6, 7, 8)


def busy_seconds() -> float | None:
    """Seconds so far in which this process's processors did anything, for anybody; None: unknown.

    Known on Linux, unless a quota gives a share of many processors: their business says nothing.
    """
    if sys.platform != "linux":
        return None
    processors = os.sched_getaffinity(0)
    if available_processors() < len(processors):
        return None
    try:
        rows = [line.split() for line in _STAT.read_text(encoding="ascii").splitlines()]
        ours = [row for row in rows if row[0][:3] == "cpu" and row[0][3:].isdecimal()]
        ticks = [
            int(row[place]) for row in ours if int(row[0][3:]) in processors for place in _PLACES
        ]
        return sum(ticks) / os.sysconf("SC_CLK_TCK") if ticks else None
    except (OSError, ValueError, IndexError):
        return None


def disturbances(
    limits: Sequence[Mapping[int, float]], others: Sequence[float | None]
) -> list[float]:
    """How much each round was disturbed: 0 not at all, above 1 too much.

    limits : what sgemm reached in each round, by number of threads
    others : processors that others kept busy on average in each round; None: unknown
    """
    speedups = [_speedup(limit) for limit in limits]
    best = float(np.quantile(speedups, 0.75))
    return [
        max((other or 0.0) / OTHERS_BUSY, (1 - speedup / best) / SGEMM_SLOWER)
        for speedup, other in zip(speedups, others, strict=True)
    ]


def _speedup(limit: Mapping[int, float]) -> float:
    """Of most threads over fewest; the rate itself where everybody has as many."""
    fewest, most = min(limit), max(limit)
    return limit[most] / (limit[fewest] if most > fewest else 1.0)


def undisturbed(disturbed: Sequence[float]) -> list[int]:
    """The rounds that count, in their order: those that were not disturbed, or, where these are
    fewer than ``FEWEST``, the better half of all."""
    order = sorted(range(len(disturbed)), key=lambda number: disturbed[number])
    clean = sum(value <= 1 for value in disturbed)
    return sorted(order[: clean if clean >= FEWEST else max(clean, -(-len(order) // 2))])
