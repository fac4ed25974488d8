"""From a result to RESULTS.md and the README; what became slower."""

from __future__ import annotations

import copy
import json

import pytest

from fastlm.bench.results import best_row, our_row, read_result
from fastlm.errors import FastlmError

from .conftest import script

report = script("report")


@pytest.fixture
def files(tmp_path, result):
    """A run, and a README with a place for its table."""
    run, readme = tmp_path / "run.json", tmp_path / "README.md"
    run.write_text(json.dumps(result), encoding="utf-8")
    readme.write_text("# x\n<!-- bench:begin -->\nold\n<!-- bench:end -->\nrest\n", "utf-8")
    return run, readme, tmp_path / "RESULTS.md"


def write(files) -> int:
    run, readme, results = files
    return report.main([str(run), "--readme", str(readme), "--results", str(results)])


def test_best_row_is_the_fastest_of_its_kind(result):
    work = result["works"][0]
    assert best_row(work, "torch")["name"] == "PyTorch, 1 thread"
    assert best_row(work, "torch", 2)["name"] == "PyTorch, 2 threads"
    assert best_row(work, "python") is None
    assert our_row(work)["name"] == "fastlm, 2 threads"


def test_table_of_the_readme(files):
    assert write(files) == 0
    lines = files[1].read_text("utf-8").splitlines()
    assert lines[0] == "# x"
    assert lines[-1] == "rest"
    assert "old" not in lines
    assert "| Mini, batch 256 |  | 50,000 | 200,000 | **400,000** | 2 × |" in lines
    assert "| Tiny, batch 1 | 2,000 |  |  | **900,000** |  |" in lines
    assert any("Abacus 9" in line for line in lines)


def test_writing_twice_changes_nothing(files):
    write(files)
    first = [path.read_text("utf-8") for path in files[1:]]
    write(files)
    assert [path.read_text("utf-8") for path in files[1:]] == first


def test_results_page_has_everything(files):
    write(files)
    page = files[2].read_text("utf-8")
    for part in (
        "Abacus 9",
        "PyTorch, 2 threads",
        "something was left out",
        "| cold (compiles) | 0.30 | 9.00 | 9.50 |",
        "| Mini, batch 256 | PyTorch | 2 × | 2 × | 2.8 × |  |",
        "| Tiny, batch 1 | pure Python | 450 × | 450 × | 1000 × |  |",
    ):
        assert part in page, part


def test_a_missed_goal_is_said(result):
    slow = result["works"][0]["rows"][1]["slower_than_fastlm"]
    slow["mean"] = 1.9
    assert "| Mini, batch 256 | PyTorch | 1.9 × | 2 × | 2.8 × | missed |" in (
        report.results_page(result)
    )


def test_goals_are_for_works_that_exist():
    from fastlm.bench.works import WORKS

    assert set(report.GOALS) == {work.name for work in WORKS if not work.as_trained}


def test_as_trained_a_work_has_the_goal_against_others(result):
    work = result["works"][0]
    work |= {"name": f"{work['name']}-trained", "title": "Mini, batch 256, as trained"}
    assert "| Mini, batch 256, as trained | PyTorch | 2 × | 2 × | 2.8 × |  |" in (
        report.results_page(result)
    )


def test_a_readme_without_a_place(files, capsys):
    files[1].write_text("nothing here\n", "utf-8")
    assert write(files) == 1
    assert "<!-- bench:begin -->" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 99, "works": []}'])
def test_a_file_that_is_no_result(tmp_path, text):
    path = tmp_path / "run.json"
    path.write_text(text, "utf-8")
    with pytest.raises(FastlmError, match="is not a result of format 3"):
        read_result(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FastlmError, match=r"nowhere\.json"):
        read_result(tmp_path / "nowhere.json")


def slowed(result, share: float, rate: float):
    """The result with fastlm at ``rate`` of its tokens/s and ``share`` of its share of sgemm."""
    other = copy.deepcopy(result)
    row = our_row(other["works"][0])
    row["tokens_per_second"]["median"] *= rate
    row["sgemm_share"]["mean"] *= share
    return other


def test_what_became_slower_is_named(result, tmp_path, capsys):
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    before.write_text(json.dumps(result), "utf-8")
    after.write_text(json.dumps(slowed(result, 0.8, 0.8)), "utf-8")
    assert report.main(["--compare", str(before), str(after)]) == 1
    assert capsys.readouterr().out.startswith(
        "Mini, batch 256, fastlm, 2 threads: 20% slower (400,000 before, 320,000 tokens/s now)\n"
    )
    assert report.main(["--compare", str(before), str(before)]) == 0


@pytest.mark.parametrize(("share", "rate"), [(0.95, 0.95), (1.0, 0.5), (1.5, 1.5)])
def test_noise_a_slow_machine_and_gains_are_not_reported(result, share, rate):
    assert report.compare(result, slowed(result, share, rate)) == []


def test_ratios_of_two_runs_stand_side_by_side(result, tmp_path, capsys):
    other = copy.deepcopy(result)
    other["works"][0]["rows"][1]["slower_than_fastlm"]["mean"] = 2.1
    before, after = tmp_path / "before.json", tmp_path / "after.json"
    before.write_text(json.dumps(result), "utf-8")
    after.write_text(json.dumps(other), "utf-8")
    assert report.main(["--compare", str(before), str(after)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "nothing became slower by more than 10%"
    assert "| Mini, batch 256 | PyTorch, 1 thread | 2 × | 2.1 × | +5.0% |" in lines
    assert lines[-1] == "ratios differ by 0.0% (median), 5.0% at most"


def test_without_shares_rates_are_compared(result):
    for run in (result, other := slowed(result, 1.0, 0.8)):
        for row in run["works"][0]["rows"]:
            row["sgemm_share"] = None
    assert report.compare(result, other) == [
        "Mini, batch 256, fastlm, 2 threads: 20% slower (400,000 before, 320,000 tokens/s now)"
    ]
    assert "86%" not in report.results_page(result)


def test_runs_that_have_nothing_in_common(result):
    assert "no ratio in common" in report.ratio_table(result, {**result, "works": []})


def test_works_and_rows_that_one_run_lacks_are_passed_over(result):
    less = copy.deepcopy(result)
    less["works"][0]["rows"].pop(0)
    less["works"].pop()
    assert report.compare(less, result) == []
    assert report.compare(result, less) == []
