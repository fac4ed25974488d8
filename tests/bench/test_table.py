"""Results: reading the file, finding rows, and the table in the terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from fastlm.bench.table import (
    best_peer,
    best_row,
    our_row,
    peer_text,
    rate_text,
    read_result,
    result_table,
    result_text,
    rounds_text,
    share_text,
    spread_text,
    times_text,
)
from fastlm.errors import FastlmError


def test_best_row_is_the_fastest_of_its_kind(result):
    workload = result["workloads"][0]
    assert best_row(workload, "torch")["name"] == "PyTorch, 1 thread"
    assert best_row(workload, "torch", threads=2)["name"] == "PyTorch, 2 threads"
    assert best_row(workload, "numpy", "torch")["name"] == "PyTorch, 1 thread"
    assert best_row(workload, "python") is None
    assert our_row(workload)["name"] == "fastlm, 2 threads"


def test_the_best_peer_is_the_fastest_row_that_is_not_fastlms(result):
    mini, tiny = result["workloads"]
    assert [best_peer(each)["name"] for each in (mini, tiny)] == ["JAX, 2 threads", "pure Python"]
    assert peer_text(mini) == "1.6 × JAX"
    alone = {"rows": [{**row, "kind": "nojit"} for row in mini["rows"][:1]] + mini["rows"][-2:]}
    assert best_peer(alone) is None
    assert peer_text(alone) == ""


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 3, "workloads": []}'])
def test_a_file_that_is_no_result_or_is_not_there(tmp_path, text):
    path = tmp_path / "run.json"
    with pytest.raises(FastlmError, match=r"run\.json: No such file"):
        read_result(path)
    path.write_text(text, "utf-8")
    with pytest.raises(FastlmError, match="is not a result of format 4"):
        read_result(path)


def _rounds(count: int) -> dict:
    return {"rows": [{"tokens_per_second": {"rounds": [1.0] * count}}]}


@pytest.mark.parametrize(
    ("text", "given", "expected"),
    [
        (rate_text, 1_164_321.0, "1,160,000"),
        (rate_text, 4_321.0, "4,320"),
        (rate_text, 64.37, "64.4"),
        (times_text, 1.834, "1.83 ×"),
        (times_text, 23.44, "23.4 ×"),
        (times_text, 489.7, "490 ×"),
        (times_text, 5432, "5,430 ×"),
        (share_text, {"median": 0.874}, "87%"),
        (share_text, {"median": 0.01}, "1%"),
        (share_text, {"median": 0.0002}, "<1%"),
        (share_text, None, ""),
        (spread_text, {"low": 90.0, "median": 100.0, "high": 114.0}, "±12%"),
        (rounds_text, [_rounds(3), _rounds(3)], "3 rounds each"),
        (rounds_text, [_rounds(12), _rounds(3)], "3 to 12 rounds each"),
        (rounds_text, [_rounds(1)], "1 round each"),
    ],
)
def test_texts(text, given, expected):
    assert text(given) == expected


def table_text(result) -> dict[str, str]:
    """The table's lines by their first column."""
    console = Console(file=io.StringIO(), width=100)
    console.print(result_table(result))
    lines = console.file.getvalue().splitlines()
    return {line.split("│")[1].strip(): line for line in lines if "│" in line}


def test_table_shows_every_row(result):
    lines = table_text(result)
    for workload in result["workloads"]:
        assert workload["title"] in lines
    assert "200,000" in lines["PyTorch, 1 thread"]
    assert "2 ×" in lines["PyTorch, 1 thread"]
    assert "1.6 × JAX" in lines["fastlm, 2 threads"]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_figure_is_cut_on_a_narrow_terminal(result, width):
    console = Console(file=io.StringIO(), width=width)
    console.print(result_table(result, width))
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    assert "200,000" in text
    assert ("of sgemm" in text) == (width >= 80)


def test_text_below_it_is_complete(result):
    text = result_text(result)
    for part in (
        *("105 GFLOP/s on one core, 208 GFLOP/s on all", "9.5 s", "0.7 s", "3 rounds each"),
        *("something was left out", "Abacus 9, 2 cores"),
    ):
        assert part in text


def test_what_is_not_known_is_left_out(result):
    result["limits"]["sgemm_gflops"]["one"] = None
    for row in result["workloads"][0]["rows"]:
        row["sgemm_share"] = None
    text = result_text({**result, "start": None})
    assert "limits: sgemm 208 GFLOP/s on all;" in text
    assert "start:" not in text
    assert table_text(result)["PyTorch, 1 thread"].count("│") == 7
