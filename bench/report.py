"""bench/RESULTS.md and the table of the README, from runs of `fastlm bench`.

    python bench/report.py --processes 8 --rounds 3 --json pooled.json
    python bench/report.py run.json [run.json ...]
    python bench/report.py --compare before.json after.json

--processes measures in as many new processes, one after the other: what lasts as long as a process,
such as where its memory lies, changed one ratio by a quarter in all of its rounds. The rounds of
all runs are pooled, those measured and those named. --compare prints what became slower, as a
fraction of the machine's sgemm in the same rounds, and ends with 1 if anything did; then every
ratio of both runs, and how far the two are apart.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import reprlib
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from fastlm.bench.machine import machine_line
from fastlm.bench.measure import figure
from fastlm.bench.table import (
    best_peer,
    best_row,
    limits_text,
    our_row,
    peer_text,
    rate_text,
    read_result,
    rounds_text,
    share_text,
    spread_text,
    times_text,
    tokens_per_second,
)
from fastlm.errors import FastlmError

Result = dict[str, Any]

# Columns of the README's table, the fastest of these kinds in each.
README_KINDS = (("python",), ("numpy",), ("torch", "torch-compile"), ("jax",))

# Its rows: a workload by title, and what the README calls it.
README_ROWS = {
    "Tiny, batch 1": "27 letters, one at a time (Tiny)",
    "Mini, batch 1": "1,000 words, one at a time (Mini)",
    "Mini, batch 256": "1,000 words, 256 at a time",
    "character MLP, batch 256": "65 characters, 256 at a time",
    "V=10,000 H=256, batch 256": "10,000 words, 256 at a time",
    "V=30,000 H=256, batch 512, adaptive softmax": "30,000 words, adaptive softmax",
}

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"

# Least loss of speed that --compare reports.
SLOWER = 0.10

HERE = Path(__file__).resolve().parent


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="*", metavar="RUN.json", help="kept from `bench --json`")
    parser.add_argument("--processes", type=int, default=0, metavar="N", help="measure in these")
    parser.add_argument("--rounds", type=int, default=3, help="of each process (default 3)")
    parser.add_argument("--torch-compile", action="store_true", help="let it take part")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the pooled rounds there")
    parser.add_argument("--compare", action="store_true", help="two runs: what became slower")
    parser.add_argument("--results", type=Path, default=HERE / "RESULTS.md")
    parser.add_argument("--readme", type=Path, default=HERE.parent / "README.md")
    options = parser.parse_args(arguments)
    if options.compare and (len(options.runs) != 2 or options.processes):
        parser.error("--compare takes two runs, and measures nothing")
    if not options.runs and options.processes < 1:
        parser.error("name runs, or say in how many --processes to measure")
    try:
        runs = [read_result(path) for path in options.runs]
        if options.compare:
            slower, table = compare(*runs)
            print("\n".join(slower) or f"nothing became slower by more than {SLOWER:.0%}")
            print("", table, sep="\n")
            return 1 if slower else 0
        for number in range(options.processes):
            print(f"process {number + 1} of {options.processes}", file=sys.stderr, flush=True)
            runs.append(measure(options.rounds, torch_compile=options.torch_compile))
        pooled = pool(runs)
        if options.json:
            options.json.write_text(json.dumps(pooled, allow_nan=False), encoding="utf-8")
        options.results.write_text(results_page(pooled), encoding="utf-8")
        replace_table(options.readme, readme_table(pooled))
    except (FastlmError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def markdown(titles: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table: the first column to the left, the others to the right, None as nothing."""
    lines = [titles, ["---", *["---:"] * (len(titles) - 1)], *rows]
    cells = ([str("" if cell is None else cell) for cell in line] for line in lines)
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)


# ---------------------------------------------------------------------------- measuring


def measure(rounds: int, *, torch_compile: bool = False) -> Result:
    """Run `fastlm bench` in a new process and return its result."""
    command = [sys.executable, "-m", "fastlm", "bench", "--json", "--rounds", str(rounds)]
    command += ["--torch-compile"] if torch_compile else []
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, encoding="utf-8", check=False)
    if done.returncode != 0:
        raise FastlmError(f"`fastlm bench` ended with {done.returncode}; its message stands above")
    result: Result = json.loads(done.stdout)
    return result


def pool(runs: Sequence[Result]) -> Result:
    """Put the rounds of several runs together; other measured numbers become medians.

    Raises FastlmError if the runs are of different machines, versions, workloads or rows.
    """
    measured = [
        {key: run[key] for key in ("machine", "limits", "start")}
        | {"workloads": [{**each, "best_peer": None} for each in run["workloads"]]}
        for run in runs
    ]
    pooled = _merge(measured, "result")
    for workload in pooled["workloads"]:
        if peer := best_peer(workload):
            workload["best_peer"] = peer["name"]
    return {
        **runs[0],
        **pooled,
        "runs": sum(run.get("runs", 1) for run in runs),
        "notes": list(dict.fromkeys(note for run in runs for note in run["notes"])),
    }


def _merge(values: Sequence[Any], where: str) -> Any:
    """Pooled figures, medians of floats, and whatever is equal, from the same place of each run."""
    first = values[0]
    if all(isinstance(each, dict) and each.keys() == first.keys() for each in values):
        if first.keys() == {"median", "low", "high", "rounds"}:
            return dataclasses.asdict(figure([one for each in values for one in each["rounds"]]))
        return {key: _merge([each[key] for each in values], f"{where}.{key}") for key in first}
    if all(isinstance(each, list) and len(each) == len(first) for each in values):
        parts = enumerate(zip(*values, strict=True))
        return [_merge(part, f"{where}[{number}]") for number, part in parts]
    if all(each == first for each in values):
        return first
    if all(isinstance(each, float) for each in values):
        return median(values)
    short = (f"{len(v)} entries" if isinstance(v, list) else reprlib.repr(v) for v in values)
    apart = " and ".join(dict.fromkeys(short))
    raise FastlmError(f"runs that differ in {where} cannot be pooled: {apart}")


# ---------------------------------------------------------------------------- README


def readme_table(run: Result) -> str:
    """Return a row per workload of README_ROWS: tokens/s of each kind, and the best peer."""
    titles = ["training, tokens/s", "pure Python", "NumPy", "PyTorch", "JAX", "fastlm"]
    rows = []
    for workload in run["workloads"]:
        if workload["title"] not in README_ROWS:
            continue
        best = [best_row(workload, *kinds) for kinds in README_KINDS]
        cells = [row and rate_text(tokens_per_second(row)) for row in best]
        ours = f"**{rate_text(tokens_per_second(our_row(workload)))}**"
        rows.append([README_ROWS[workload["title"]], *cells, ours, peer_text(workload)])
    return (
        f"{markdown([*titles, '× best peer'], rows)}\n\n"
        f"Measured on {machine_line(run['machine'])}. PyTorch and JAX: the better of one thread "
        "and all; every row starts from first weights."
    )


def replace_table(readme: Path, table: str) -> None:
    """Put the table between the two marks of the README; FastlmError where they are missing."""
    text = readme.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise FastlmError(f"{readme} has no {BEGIN} ... {END}; put both where the table belongs")
    readme.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")


# ---------------------------------------------------------------------------- RESULTS.md


def results_page(run: Result) -> str:
    """Return everything that was measured, as Markdown."""
    processes = "one process" if run["runs"] == 1 else f"{run['runs']} processes"
    parts = [
        "# Benchmark results",
        "Written by `python bench/report.py` from runs of `fastlm bench --json`.",
        f"{machine_line(run['machine'])}.",
        f"The machine's limits: {limits_text(run['limits'])}.",
        "All implementations start from the same weights (the initial ones, or, *as trained*, such "
        "that five hidden units in six are zero, as they are after some training; fastlm skips "
        "zeros), take the same batches in the same order, and are compared with a float64 oracle "
        "before anything is timed: losses to 1e-4, weights to 1e-3 of the way they moved. They "
        "alternate in rounds, every other one backwards: "
        f"{rounds_text(run['workloads'])}, from {processes}. A figure is the median of the "
        "rounds, its spread half the distance of the quartiles; ratios are taken within each "
        "round. Shares are of what sgemm reached in the same rounds on as many threads, at 6 FLOP "
        "per weight and token; they can be above 100%, since fastlm skips zeros, and where a text "
        "has few different tokens it computes their part of the first layer once for each.",
    ]
    if run["start"]:
        parts.append(_start_table(run["start"]))
    parts += [_sizes_table(run), _rates_table(run)]
    parts += [f"Note: {note}." for note in run["notes"]]
    return "\n\n".join(parts) + "\n"


def _start_table(start: Result) -> str:
    rows = [
        [name, *(f"{start[key][part]:.2f}" for part in ("import", "first_step", "total"))]
        for name, key in (("cold (compiles)", "cold"), ("warm", "warm"))
    ]
    return markdown(["start, seconds", "import", "first step", "whole process"], rows)


def _sizes_table(run: Result) -> str:
    rows = []
    for each in run["workloads"]:
        hidden = ",".join(map(str, each["hidden"])) or "none"
        cells = [each["title"], f"{each['vocab']:,}", each["embed"], each["context"], hidden]
        cells += [each["batch"], each["combine"], f"{each['momentum']:g}"]
        rows.append([*cells, f"{each['flops_per_token']:,.0f}"])
    titles = ["workload", "V", "E", "C", "H", "B", "combine", "momentum", "FLOP per token"]
    return markdown(titles, rows)


def _rates_table(run: Result) -> str:
    titles = ["workload", "by", "tokens/s", "spread", "fastlm is", "quartiles", "× best peer"]
    rows = []
    for workload in run["workloads"]:
        for row in workload["rows"]:
            rate, times = row["tokens_per_second"], row["slower_than_fastlm"]
            quartiles = f"{times['low']:.3g} to {times['high']:.3g}"
            ratios = [times_text(times["median"]), quartiles, ""]
            if row is our_row(workload):
                ratios = ["", "", peer_text(workload)]
            cells = [workload["title"], row["name"], rate_text(rate["median"]), spread_text(rate)]
            cells += [*ratios, share_text(row["sgemm_share"]), f"{row['first_step_seconds']:.2g}"]
            rows.append(cells)
    return markdown([*titles, "of sgemm", "first step, s"], rows)


# ---------------------------------------------------------------------------- two runs


def shared_rows(before: Result, after: Result) -> Iterator[tuple[Result, Result, Result]]:
    """Yield the workload, the row before and the row after for all that both runs measured."""
    old = {(each["name"], row["name"]): row for each in before["workloads"] for row in each["rows"]}
    for workload in after["workloads"]:
        for row in workload["rows"]:
            if was := old.get((workload["name"], row["name"])):
                yield workload, was, row


def compare(before: Result, after: Result) -> tuple[list[str], str]:
    """Return a line for every row of fastlm that became slower by more than SLOWER, and a table.

    Speeds count as fractions of the machine's sgemm in the same rounds: a slower machine is not
    slower code. The table has every row's speed and ratio before and after.
    """
    slower, rows, changes = [], [], []
    for workload, was, row in shared_rows(before, after):
        rates = [rate_text(tokens_per_second(each)) for each in (was, row)]
        shares = [each["sgemm_share"] for each in (was, row)]
        speeds = [share and share["median"] for share in shares]
        old, new = speeds if all(speeds) else map(tokens_per_second, (was, row))
        speed = new / old - 1
        if row["kind"] == "engine" and speed < -SLOWER:
            slower.append(
                f"{workload['title']}, {row['name']}: {-speed:.0%} slower "
                f"({rates[0]} before, {rates[1]} tokens/s now)"
            )
        cells = [workload["title"], row["name"], *rates, f"{speed:+.1%}", "", "", ""]
        if row is not our_row(workload):
            old, new = (each["slower_than_fastlm"]["median"] for each in (was, row))
            changes.append(abs(new / old - 1))
            cells[-3:] = [times_text(old), times_text(new), f"{new / old - 1:+.1%}"]
        rows.append(cells)
    titles = ["workload", "by", "before", "now", "change", "fastlm was", "is", "change"]
    last = "the two runs have no ratio in common"
    if changes:
        last = f"ratios differ by {median(changes):.1%} (median), {max(changes):.1%} at most"
    return slower, f"{markdown(titles, rows)}\n{last}"


if __name__ == "__main__":
    sys.exit(main())
