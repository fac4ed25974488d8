"""How a result looks in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastlm.bench.machine import machine_line
from fastlm.bench.torch_steps import INSTALL_TORCH

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = [
    "limits_text",
    "rate_text",
    "result_table",
    "result_text",
    "rounds_text",
    "share_text",
    "spread_text",
    "times_text",
]


def rate_text(rate: float) -> str:
    """Three digits of a rate: 1,160,000 or 2.35."""
    if rate >= 1000:
        digits = len(str(int(rate))) - 3
        return f"{round(rate, -digits):,.0f}"
    return f"{rate:.3g}"


def spread_text(figure: dict[str, Any]) -> str:
    """Half the distance between the quartiles, as a share of the median: ±2 %."""
    return f"±{(figure['high'] - figure['low']) / 2 / figure['median']:.0%}"


def times_text(ratio: float) -> str:
    """A factor: 1.83 x, 23.4 x, 490 x."""
    return f"{rate_text(ratio) if ratio >= 100 else f'{ratio:.3g}'} ×"


def share_text(share: float | None) -> str:
    if share is None:
        return ""
    return f"{share:.0%}" if share >= 0.01 else "<1%"


def result_table(result: dict[str, Any]) -> RenderableType:
    """A section per work, a row per implementation."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=None, pad_edge=False)
    table.add_column("tokens/s in training")
    table.add_column("median", justify="right")
    table.add_column("spread", justify="right")
    table.add_column("fastlm is", justify="right")
    table.add_column("of sgemm", justify="right")
    for work in result["works"]:
        table.add_section()
        table.add_row(f"[bold]{work['title']}[/bold]")
        if not any(row["kind"].startswith("torch") for row in work["rows"]):
            table.add_row(escape(f"  PyTorch: {INSTALL_TORCH}"))
        for row in work["rows"]:
            rate = row["tokens_per_second"]
            ours = row is work["rows"][-1]
            table.add_row(
                f"  {row['name']}",
                rate_text(rate["median"]),
                spread_text(rate),
                "" if ours else times_text(row["slower_than_fastlm"]["mean"]),
                share_text(row["sgemm_share"] and row["sgemm_share"]["mean"]),
            )
    return table


def limits_text(limits: dict[str, Any]) -> str:
    """sgemm and copying on one core and on all, in words."""
    sgemm, copy = limits["sgemm_gflops"], limits["copy_gbytes"]
    one = "" if sgemm["one"] is None else f"{sgemm['one']:.0f} GFLOP/s on one core, "
    return (
        f"sgemm {one}{sgemm['all']:.0f} GFLOP/s on all; "
        f"copying memory {copy['one']:.1f} GB/s on one core, {copy['all']:.1f} on all"
    )


def rounds_text(works: list[dict[str, Any]]) -> str:
    """How many rounds there were, and how many of them did not count."""
    rounds = [work["rounds"] for work in works]
    measured = sum(each["measured"] for each in rounds)
    counted = sum(len(work["rows"][-1]["tokens_per_second"]["rounds"]) for work in works)
    return f"{measured} rounds, of which {measured - counted} were disturbed and do not count"


def result_text(result: dict[str, Any]) -> str:
    """What stands below the table: limits, start, notes, machine."""
    lines = [f"limits: {limits_text(result['limits'])}"]
    start = result["start"]
    if start is not None:
        lines.append(
            f"start: import and first step {start['cold']['total']:.1f} s where the kernels are "
            f"compiled, {start['warm']['total']:.1f} s ever after; never part of a rate"
        )
    lines.append(
        "spread: half the distance of the quartiles; all in turns in one process, after a check "
        f"that all do the same sums; {rounds_text(result['works'])}"
    )
    lines += result["notes"]
    return "\n".join([*lines, machine_line(result["machine"])])
