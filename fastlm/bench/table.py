"""Results of a benchmark: reading the JSON, finding rows, and the table for the terminal."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastlm.bench.machine import machine_line
from fastlm.errors import FastlmError

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = [
    "FORMAT",
    "best_peer",
    "best_row",
    "limits_text",
    "our_row",
    "peer_text",
    "rate_text",
    "read_result",
    "result_table",
    "result_text",
    "rounds_text",
    "share_text",
    "spread_text",
    "times_text",
    "tokens_per_second",
]

# Version of what ``fastlm bench --json`` prints (``run``).
FORMAT = 4

# Kinds of rows that are not fastlm's.
_PEERS = ("python", "numpy", "torch", "torch-compile", "jax")


def read_result(path: str | PathLike[str]) -> dict[str, Any]:
    """Read what ``fastlm bench --json`` printed; FastlmError if the file is something else."""
    try:
        result = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise FastlmError(f"{path}: {error.strerror or error}; check the name") from None
    except ValueError:
        result = None
    if not isinstance(result, dict) or "workloads" not in result or result.get("format") != FORMAT:
        raise FastlmError(
            f"{path} is not a result of format {FORMAT}; name a file that "
            "`fastlm bench --json` wrote"
        )
    return result


def our_row(workload: dict[str, Any]) -> dict[str, Any]:
    """Return the row of fastlm with its own choice of threads."""
    row: dict[str, Any] = workload["rows"][-1]
    return row


def best_row(
    workload: dict[str, Any], *kinds: str, threads: int | None = None
) -> dict[str, Any] | None:
    """Return the fastest row of these kinds, of this number of threads if given, or None."""
    rows = [
        row
        for row in workload["rows"]
        if row["kind"] in kinds and threads in (None, row["threads"])
    ]
    return max(rows, key=tokens_per_second, default=None)


def best_peer(workload: dict[str, Any]) -> dict[str, Any] | None:
    """Return the fastest row of what users could take instead of fastlm; None: there is none."""
    return best_row(workload, *_PEERS)


def peer_text(workload: dict[str, Any]) -> str:
    """Return how many times as fast as the best peer fastlm is, and that peer, or nothing."""
    peer = best_peer(workload)
    if peer is None:
        return ""
    return f"{times_text(peer['slower_than_fastlm']['median'])} {peer['name'].split(',')[0]}"


def tokens_per_second(row: dict[str, Any]) -> float:
    """Return the median rate of a row."""
    median: float = row["tokens_per_second"]["median"]
    return median


def rate_text(rate: float) -> str:
    """Return a rate with three digits: 1,160,000 or 2.35."""
    if rate >= 1000:
        digits = len(str(int(rate))) - 3
        return f"{round(rate, -digits):,.0f}"
    return f"{rate:.3g}"


def spread_text(figure: dict[str, Any]) -> str:
    """Return half the distance between the quartiles, relative to the median: ±2 %."""
    return f"±{(figure['high'] - figure['low']) / 2 / figure['median']:.0%}"


def times_text(ratio: float) -> str:
    """Return a factor: 1.83 ×, 23.4 ×, 490 ×."""
    return f"{rate_text(ratio) if ratio >= 100 else f'{ratio:.3g}'} ×"


def share_text(share: dict[str, Any] | None) -> str:
    """Return the median fraction of sgemm in percent, or nothing where it is unknown."""
    if share is None:
        return ""
    return f"{share['median']:.0%}" if share["median"] >= 0.01 else "<1%"


def limits_text(limits: dict[str, Any]) -> str:
    """Return the limits by sgemm and by copying in words."""
    sgemm, copy = limits["sgemm_gflops"], limits["copy_gbytes"]
    one = "" if sgemm["one"] is None else f"{sgemm['one']:.0f} GFLOP/s on one core, "
    return (
        f"sgemm {one}{sgemm['all']:.0f} GFLOP/s on all; "
        f"copying memory {copy['one']:.1f} GB/s on one core, {copy['all']:.1f} on all"
    )


def rounds_text(workloads: list[dict[str, Any]]) -> str:
    """Return how many rounds each workload had: 3 rounds each, or 3 to 12 rounds each."""
    counts = [len(our_row(each)["tokens_per_second"]["rounds"]) for each in workloads]
    low, high = min(counts, default=0), max(counts, default=0)
    return f"{low if low == high else f'{low} to {high}'} round{'s' if high != 1 else ''} each"


_COLUMNS = ("median", "spread", "fastlm is", "× best peer", "of sgemm")
_DISPENSABLE = ("spread", "of sgemm")
_TABLE_WIDTH = 78


def result_table(result: dict[str, Any], width: int = 80) -> RenderableType:
    """Return a table with a section per workload and a row per implementation.

    In fewer columns than it needs, spread and share of sgemm are left out.
    """
    from rich.table import Table

    table = Table(title=None, pad_edge=False)
    table.add_column("tokens/s in training")
    narrow = width < _TABLE_WIDTH
    shown = [column for column in _COLUMNS if not narrow or column not in _DISPENSABLE]
    for column in shown:
        # A figure is never cut; names wrap.
        table.add_column(column, justify="right", no_wrap=column != "× best peer")
    for workload in result["workloads"]:
        table.add_section()
        table.add_row(f"[bold]{workload['title']}[/bold]")
        for row in workload["rows"]:
            rate = row["tokens_per_second"]
            ours = row is our_row(workload)
            cells = {
                "median": rate_text(rate["median"]),
                "spread": spread_text(rate),
                "fastlm is": "" if ours else times_text(row["slower_than_fastlm"]["median"]),
                "× best peer": peer_text(workload) if ours else "",
                "of sgemm": share_text(row["sgemm_share"]),
            }
            table.add_row(f"  {row['name']}", *(cells[column] for column in shown))
    return table


def result_text(result: dict[str, Any]) -> str:
    """Return the lines below the table: limits, start, method, notes, machine."""
    lines = [f"limits: {limits_text(result['limits'])}"]
    start = result["start"]
    if start is not None:
        lines.append(
            f"start: import and first step {start['cold']['total']:.1f} s where the kernels are "
            f"compiled, {start['warm']['total']:.1f} s ever after; never part of a rate"
        )
    lines.append(
        "spread: half the distance of the quartiles; all in alternating rounds "
        f"({rounds_text(result['workloads'])}), after a check that all do the same arithmetic"
    )
    lines += result["notes"]
    return "\n".join([*lines, machine_line(result["machine"])])
