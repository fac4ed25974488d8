"""From a measured run to what people read: bench/RESULTS.md and the table in the README.

    fastlm bench --json > run.json
    python bench/report.py run.json
    python bench/report.py --compare before.json after.json

No figure in the README is typed by hand. --compare prints what became slower, by the median over
the machine's own sgemm in the same rounds, and ends with 1 if anything did; then every ratio of
both runs, and how far the two are apart.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from fastlm.bench.disturbance import OTHERS_BUSY, SGEMM_SLOWER
from fastlm.bench.machine import machine_line
from fastlm.bench.results import best_row, our_row, read_result, tokens_per_second
from fastlm.bench.run import FULL
from fastlm.bench.table import (
    limits_text,
    rate_text,
    rounds_text,
    share_text,
    spread_text,
    times_text,
)
from fastlm.bench.works import TRAINED
from fastlm.errors import FastlmError

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"

# What is slower by more than this share is reported.
SLOWER = 0.10

HERE = Path(__file__).resolve().parent

# Times as fast as others, at least, and what is aimed at; a share where it ends in %.
GOALS: dict[str, list[tuple[str, str, str]]] = {
    "tiny-1": [("torch", "300", "600"), ("python", "450", "1000")],
    "tiny-256": [("torch", "5", "10")],
    "mini-1": [("torch", "8", "20"), ("numpy", "5", "20")],
    "mini-32": [("torch", "2", "3.5")],
    "mini-256": [("torch", "2", "2.8")],
    "char-256": [("torch", "1.5", "2"), ("engine-1", "1.8", "2")],
    "10k-256": [("torch", "1.5", "2"), ("engine-1", "1.8", "2")],
    "10k-1024": [("torch", "1.3", "1.6"), ("sgemm", "80%", "92%"), ("engine-1", "1.8", "2")],
    "30k-512": [("torch", "1.3", "1.6")],
    "30k-512-adaptive": [("torch", "3", "5")],
    "33k-1024": [("torch", "1.5", "2"), ("engine-1", "1.8", "2")],
}
_AGAINST = {
    "torch": "PyTorch",
    "python": "pure Python",
    "numpy": "NumPy",
    "engine-1": "fastlm with 1 thread",
    "sgemm": "sgemm",
}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", metavar="RUN.json")
    parser.add_argument("--compare", action="store_true", help="two runs: what became slower")
    parser.add_argument("--results", type=Path, default=HERE / "RESULTS.md")
    parser.add_argument("--readme", type=Path, default=HERE.parent / "README.md")
    options = parser.parse_args(arguments)
    if len(options.runs) != 1 + options.compare:
        parser.error("give one run, or two with --compare")
    try:
        runs = [read_result(path) for path in options.runs]
        if options.compare:
            slower = compare(*runs)
            print("\n".join(slower) or f"nothing became slower by more than {SLOWER:.0%}")
            print("", ratio_table(*runs), sep="\n")
            return 1 if slower else 0
        options.results.write_text(results_page(runs[0]), encoding="utf-8")
        replace_table(options.readme, readme_table(runs[0]))
    except (FastlmError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


# ---------------------------------------------------------------------------- README


def readme_table(run: dict[str, Any]) -> str:
    """A row per work: tokens/s of the best of each kind, and what fastlm makes of it."""
    lines = [
        "| training, tokens/s | pure Python | NumPy | PyTorch | fastlm | × PyTorch |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for work in run["works"]:
        rows = [best_row(work, kind) for kind in ("python", "numpy", "torch")]
        cells = [_rate(row) for row in rows]
        torch = rows[-1]
        times = "" if torch is None else times_text(torch["slower_than_fastlm"]["mean"])
        ours = f"**{_rate(our_row(work))}**"
        lines.append(f"| {work['title']} | {' | '.join([*cells, ours, times])} |")
    return "\n".join(
        [
            *lines,
            "",
            f"Measured on {machine_line(run['machine'])}. PyTorch: its best thread count. As "
            "trained: five hidden units in six are zero, as they are after some training.",
        ]
    )


def replace_table(readme: Path, table: str) -> None:
    """Put the table between the two marks of the README; FastlmError where they are not there."""
    text = readme.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise FastlmError(f"{readme} has no {BEGIN} ... {END}; put both where the table belongs")
    readme.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")


# ---------------------------------------------------------------------------- RESULTS.md


def results_page(run: dict[str, Any]) -> str:
    """Everything that was measured, as Markdown."""
    parts = [
        "# Benchmark results",
        "Written by `python bench/report.py` from a run of `fastlm bench --json`.",
        f"{machine_line(run['machine'])}.",
        f"The machine's limits: {limits_text(run['limits'])}.",
        "All implementations start from the same weights (the first ones, or, *as trained*, such "
        "that five hidden units in six are zero, as they are after some training; what is zero "
        "fastlm leaves out), take the same batches in the same order, "
        "and are compared with a float64 oracle before anything is timed: losses to 1e-4, weights "
        "to 1e-3 of the way they moved. They take turns in one process, every other round "
        "backwards, in several sweeps through all works, each in a new process, until two runs' "
        f"ratios would differ by {FULL.precision:.0%} at most, 95 times in 100, or the time ends: "
        f"{rounds_text(run['works'])}. A round does not count, for anybody, where other programs "
        f"took more than {OTHERS_BUSY:.0%} of a processor or all threads sped sgemm up by more "
        f"than {SGEMM_SLOWER:.0%} less than in the better rounds. A figure is the median of the "
        "rounds, its spread half the distance of the quartiles; a ratio is taken within each round "
        "and is the geometric mean of the rounds between the quartiles. Shares are of what sgemm "
        "reached in the same rounds on as many threads, at 6 FLOP per weight and token; they can "
        "be above 100%, since fastlm need not do all of these: zeros it leaves out, and where a "
        "text has few different tokens it computes what these add to the first layer once for "
        "each.",
    ]
    if run["start"]:
        parts.append(_start_table(run["start"]))
    parts += [_goal_table(run), *(_work_table(work) for work in run["works"])]
    parts += [f"Note: {note}." for note in run["notes"]]
    return "\n\n".join(parts) + "\n"


def _start_table(start: dict[str, Any]) -> str:
    rows = [
        f"| {name} | {seconds['import']:.2f} | {seconds['first_step']:.2f} "
        f"| {seconds['total']:.2f} |"
        for name, seconds in (("cold (compiles)", start["cold"]), ("warm", start["warm"]))
    ]
    head = "| start, seconds | import | first step | whole process |\n| --- | ---: | ---: | ---: |"
    return "\n".join([head, *rows])


def _goal_table(run: dict[str, Any]) -> str:
    lines = [
        "| work | against | reached | at least | aim | |",
        "| --- | --- | ---: | ---: | ---: | --- |",
    ]
    for work in run["works"]:
        name = work["name"].removesuffix(TRAINED)
        goals = GOALS.get(name, [])
        for against, least, aim in goals if name == work["name"] else goals[:1]:
            reached = _reached(work, against)
            if reached is None:
                continue
            wanted, unit = _number(least), "" if least.endswith("%") else " ×"
            text = share_text(reached) if not unit else times_text(reached)
            verdict = "" if reached >= wanted else "missed"
            lines.append(
                f"| {work['title']} | {_AGAINST[against]} | {text} | {least}{unit} | {aim}{unit} "
                f"| {verdict} |"
            )
    return "\n".join(lines)


def _reached(work: dict[str, Any], against: str) -> float | None:
    """The ratio or share that a goal is about; None where it was not measured."""
    if against == "sgemm":
        share = our_row(work)["sgemm_share"]
        return None if share is None else float(share["mean"])
    kind, _, threads = against.partition("-")
    row = best_row(work, kind, int(threads) if threads else None)
    if row is None or row is our_row(work):
        return None
    times: float = row["slower_than_fastlm"]["mean"]
    return times


def _number(goal: str) -> float:
    return float(goal[:-1]) / 100 if goal.endswith("%") else float(goal)


def _work_table(work: dict[str, Any]) -> str:
    lines = [
        f"## {work['title']}",
        "",
        f"V={work['vocab']:,} E={work['embed']} C={work['context']} "
        f"H={','.join(map(str, work['hidden'])) or 'none'} B={work['batch']}, {work['combine']}, "
        f"momentum {work['momentum']:g}; {work['flops_per_token']:,.0f} FLOP per token.",
        "",
        "| | tokens/s | spread | fastlm is | quartiles | of sgemm | first step, s |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in work["rows"]:
        rate, times = row["tokens_per_second"], row["slower_than_fastlm"]
        ours = row is our_row(work)
        ratio = "" if ours else times_text(times["mean"])
        quartiles = "" if ours else f"{times['low']:.3g} to {times['high']:.3g}"
        lines.append(
            f"| {row['name']} | {rate_text(rate['median'])} | {spread_text(rate)} | {ratio} "
            f"| {quartiles} | {share_text(row['sgemm_share'] and row['sgemm_share']['mean'])} "
            f"| {row['first_step_seconds']:.2g} |"
        )
    return "\n".join(lines)


def _rate(row: dict[str, Any] | None) -> str:
    return "" if row is None else rate_text(tokens_per_second(row))


# ---------------------------------------------------------------------------- two runs

Row = dict[str, Any]


def shared_rows(before: dict[str, Any], after: dict[str, Any]) -> Iterator[tuple[Row, Row, Row]]:
    """(work, row before, row after) for everything that both runs measured."""
    old = {(work["name"], row["name"]): row for work in before["works"] for row in work["rows"]}
    for work in after["works"]:
        for row in work["rows"]:
            was = old.get((work["name"], row["name"]))
            if was is not None:
                yield work, was, row


def compare(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """A line for everything of ours that became slower by more than SLOWER.

    Each rate counts as a share of the machine's sgemm in the same rounds, so that a machine that is
    slower today is not taken for code that is.
    """
    lines = []
    for work, was, row in shared_rows(before, after):
        if row["kind"] != "engine":
            continue
        if was["sgemm_share"] and row["sgemm_share"]:
            change = row["sgemm_share"]["mean"] / was["sgemm_share"]["mean"] - 1
        else:
            change = tokens_per_second(row) / tokens_per_second(was) - 1
        if change < -SLOWER:
            lines.append(
                f"{work['title']}, {row['name']}: {-change:.0%} slower "
                f"({rate_text(tokens_per_second(was))} before, "
                f"{rate_text(tokens_per_second(row))} tokens/s now)"
            )
    return lines


def ratio_table(before: dict[str, Any], after: dict[str, Any]) -> str:
    """How many times as fast fastlm was, before and after, and how far the two are apart."""
    lines = [
        "| work | fastlm against | before | after | change |",
        "| --- | --- | ---: | ---: | ---: |",
    ]
    changes = []
    for work, was, row in shared_rows(before, after):
        if row is our_row(work):
            continue
        old, new = (each["slower_than_fastlm"]["mean"] for each in (was, row))
        changes.append(abs(new / old - 1))
        lines.append(
            f"| {work['title']} | {row['name']} | {times_text(old)} | {times_text(new)} "
            f"| {new / old - 1:+.1%} |"
        )
    if not changes:
        return "the two runs have no ratio in common"
    return "\n".join(
        [*lines, f"ratios differ by {median(changes):.1%} (median), {max(changes):.1%} at most"]
    )


if __name__ == "__main__":
    sys.exit(main())
