"""bench/report.py: pooled runs, RESULTS.md and the README's table; what became slower."""

from __future__ import annotations

import copy
import json
import re
import subprocess
from pathlib import Path

import pytest

from fastlm.bench.table import our_row
from fastlm.errors import FastlmError

from .conftest import script

report = script("report")

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def files(tmp_path, result):
    """A run, a README with a place for its table, and a page of results."""
    run, readme = tmp_path / "run.json", tmp_path / "README.md"
    run.write_text(json.dumps(result), encoding="utf-8")
    readme.write_text("# x\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nrest\n", "utf-8")
    return run, readme, tmp_path / "RESULTS.md"


def write(files, *more: str) -> int:
    run, readme, results = files
    return report.main([str(run), "--readme", str(readme), "--results", str(results), *more])


def test_table_and_page_are_written_and_written_again(files):
    assert write(files) == 0
    table, page = (path.read_text("utf-8") for path in files[1:])
    lines = table.splitlines()
    assert (lines[0], lines[-1]) == ("# x", "rest")
    assert "old" not in lines
    assert (
        "| 1,000 words, 256 at a time |  | 50,000 | 200,000 | 250,000 | **400,000** | 1.6 × JAX |"
        in lines
    )
    assert (
        "| 27 letters, one at a time (Tiny) | 2,000 |  |  |  | **900,000** | 450 × pure Python |"
        in lines
    )
    assert "Abacus 9" in table
    title = "Mini, batch 256"
    for part in (
        f"| {title} | PyTorch, 2 threads | 100,000 | ±0% | 4 × | 3.96 to 4.05 |  | 10% | 0.5 |",
        f"| {title} | fastlm, 2 threads | 400,000 | ±1% |  |  | 1.6 × JAX | 40% | 0.5 |",
        "| Mini, batch 256 | 20 | 4 | 3 | 8,6 | 8 | concat | 0.9 | 1,584 |",
        "| cold (compiles) | 0.30 | 9.00 | 9.50 |",
        "3 rounds each, from one process",
        "something was left out",
        "Abacus 9",
    ):
        assert part in page, part
    write(files)
    assert [path.read_text("utf-8") for path in files[1:]] == [table, page]


def test_a_readme_without_a_place(files, capsys):
    files[1].write_text("nothing here\n", "utf-8")
    assert write(files) == 1
    assert "<!-- bench:begin -->" in capsys.readouterr().err


def test_the_projects_own_table_and_page_are_of_one_run():
    readme = (ROOT / "README.md").read_text("utf-8")
    page = (ROOT / "bench" / "RESULTS.md").read_text("utf-8")
    table = readme.split(report.BEGIN)[1].split(report.END)[0]
    rows = re.findall(r"^\| ([^|]+) \|.*\| \*\*([\d,]+)\*\* \|", table, re.MULTILINE)
    assert [title for title, _ in rows] == list(report.README_ROWS.values())
    # The last row of each workload is fastlm with its own choice of threads.
    ours = dict(re.findall(r"^\| ([^|]+) \| fastlm, \d[^|]*\| ([\d,]+) \|", page, re.MULTILINE))
    assert [ours[title] for title in report.README_ROWS] == [rate for _, rate in rows]
    assert re.search(r"Measured on (.*?; threads)", table)[1] in page


def test_rounds_are_pooled(result):
    other = copy.deepcopy(result)
    our_row(other["workloads"][0])["tokens_per_second"]["rounds"] = [1.0, 2.0, 3.0]
    other["workloads"][0]["rows"][1]["tokens_per_second"]["rounds"] = [500_000.0] * 3
    other["workloads"][0]["best_peer"] = "PyTorch, 1 thread"
    other["limits"]["sgemm_gflops"] = {"one": 105.0, "all": 210.0}
    other["start"]["cold"]["total"] = 10.5
    other["notes"] = ["another note"]
    pooled = report.pool([result, other])
    workload = pooled["workloads"][0]
    rate = our_row(workload)["tokens_per_second"]
    assert rate["rounds"] == [400_000, 410_000, 391_000, 1, 2, 3]
    assert rate["median"] == (3 + 391_000) / 2
    assert len(our_row(workload)["sgemm_share"]["rounds"]) == 6  # though equal in both
    assert len(workload["sgemm_gflops"]["2"]["rounds"]) == 6
    assert workload["best_peer"] == "PyTorch, 1 thread"  # 350,000 in the median of both
    left_out = {"rows": 0, "sgemm_gflops": 0, "best_peer": 0}
    assert workload | left_out == result["workloads"][0] | left_out
    assert pooled["limits"]["sgemm_gflops"] == {"one": 105.0, "all": 209.0}
    assert pooled["start"]["cold"] == {"import": 0.3, "first_step": 9.0, "total": 10.0}
    assert pooled["notes"] == ["something was left out", "another note"]
    assert "6 rounds each, from 2 processes" in report.results_page(
        report.pool([report.pool([result]), {**other, "workloads": result["workloads"]}])
    )


def test_runs_that_differ_are_not_pooled(result):
    for change, message in (
        ({"machine": {**result["machine"], "cores": 4}}, r"machine\.cores .* pooled: 2 and 4"),
        ({"workloads": result["workloads"][:1]}, r"workloads cannot be pooled: 2 entries and 1"),
        ({"start": None}, r"start cannot be pooled: .* and None"),
    ):
        with pytest.raises(FastlmError, match=rf"in result\.{message}"):
            report.pool([result, {**result, **change}])


def test_processes_are_started_and_pooled(files, result, monkeypatch, tmp_path):
    commands = []

    def start(command, **options):
        commands.append(command[1:])
        return subprocess.CompletedProcess(command, 0, stdout=json.dumps(result))

    monkeypatch.setattr(report.subprocess, "run", start)
    kept = tmp_path / "pooled.json"
    assert write(files, "--processes", "2", "--rounds", "5", "--json", str(kept)) == 0
    assert commands == [["-m", "fastlm", "bench", "--json", "--rounds", "5"]] * 2
    assert write(files, "--processes", "1", "--torch-compile") == 0
    assert commands[2][-3:] == ["--rounds", "3", "--torch-compile"]
    assert json.loads(kept.read_text("utf-8"))["runs"] == 3  # these and the one that was named


def test_a_process_that_fails_is_an_error(files, monkeypatch, capsys):
    failed = subprocess.CompletedProcess([], 1, stdout="")
    monkeypatch.setattr(report.subprocess, "run", lambda *_, **__: failed)
    assert write(files, "--processes", "1") == 1
    assert "`fastlm bench` ended with 1" in capsys.readouterr().err
    assert not files[2].exists()


@pytest.mark.parametrize(
    "arguments", [[], ["--compare", "a"], ["--compare", "a", "b", "--processes", "1"]]
)
def test_wrong_usage(arguments, capsys):
    with pytest.raises(SystemExit):
        report.main(arguments)
    assert "error: " in capsys.readouterr().err


def slowed(result, share: float, rate: float):
    """The result with fastlm at ``rate`` of its tokens/s and ``share`` of its share of sgemm."""
    other = copy.deepcopy(result)
    row = our_row(other["workloads"][0])
    row["tokens_per_second"]["median"] *= rate
    row["sgemm_share"]["median"] *= share
    return other


SLOWER = "Mini, batch 256, fastlm, 2 threads: 20% slower (400,000 before, 320,000 tokens/s now)"


def test_what_became_slower_is_named(result, tmp_path, capsys):
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    before.write_text(json.dumps(result), "utf-8")
    after.write_text(json.dumps(slowed(result, 0.8, 0.8)), "utf-8")
    assert report.main(["--compare", str(before), str(after)]) == 1
    assert capsys.readouterr().out.startswith(f"{SLOWER}\n")
    assert report.main(["--compare", str(before), str(before)]) == 0
    assert capsys.readouterr().out.startswith("nothing became slower by more than 10%\n")


@pytest.mark.parametrize(("share", "rate"), [(0.95, 0.95), (1.0, 0.5), (1.5, 1.5)])
def test_noise_a_slow_machine_and_gains_are_not_reported(result, share, rate):
    assert report.compare(result, slowed(result, share, rate))[0] == []


def test_speeds_and_ratios_of_two_runs_are_side_by_side(result):
    other = slowed(result, 0.8, 0.8)
    other["workloads"][0]["rows"][1]["slower_than_fastlm"]["median"] = 2.1
    lines = report.compare(result, other)[1].splitlines()
    torch = "PyTorch, 1 thread | 200,000 | 200,000 | +0.0% | 2 × | 2.1 × | +5.0% |"
    assert f"| Mini, batch 256 | {torch}" in lines
    ours = "fastlm, 2 threads | 400,000 | 320,000 | -20.0% |  |  |  |"
    assert f"| Mini, batch 256 | {ours}" in lines
    assert lines[-1] == "ratios differ by 0.0% (median), 5.0% at most"


def test_without_shares_rates_are_compared(result):
    for run in (result, other := slowed(result, 1.0, 0.8)):
        for row in run["workloads"][0]["rows"]:
            row["sgemm_share"] = None
    assert report.compare(result, other)[0] == [SLOWER]


def test_workloads_and_rows_that_one_run_lacks_are_passed_over(result):
    less = copy.deepcopy(result)
    less["workloads"][0]["rows"].pop(0)
    less["workloads"].pop()
    for runs in ((less, result), (result, less)):
        slower, table = report.compare(*runs)
        assert slower == []
        assert "NumPy" not in table
    assert "no ratio in common" in report.compare(result, {**result, "workloads": []})[1]
