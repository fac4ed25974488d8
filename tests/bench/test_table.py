"""A result in the terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from fastlm.bench.table import (
    rate_text,
    result_table,
    result_text,
    share_text,
    spread_text,
    times_text,
)


@pytest.mark.parametrize(
    ("rate", "text"),
    [(1_164_321.0, "1,160,000"), (4_321.0, "4,320"), (64.37, "64.4")],
)
def test_rates_have_three_digits(rate, text):
    assert rate_text(rate) == text


@pytest.mark.parametrize(
    ("times", "text"), [(1.834, "1.83 ×"), (23.44, "23.4 ×"), (489.7, "490 ×"), (5432, "5,430 ×")]
)
def test_times(times, text):
    assert times_text(times) == text


def test_shares():
    assert [share_text(share) for share in (0.874, 0.01, 0.0002)] == ["87%", "1%", "<1%"]


def test_spread_is_half_the_distance_of_the_quartiles():
    assert spread_text({"low": 90.0, "median": 100.0, "high": 114.0}) == "±12%"


def table_text(result) -> dict[str, str]:
    """The table's lines by their first column."""
    console = Console(file=io.StringIO(), width=100)
    console.print(result_table(result))
    lines = console.file.getvalue().splitlines()
    return {line.split("│")[1].strip(): line for line in lines if "│" in line}


def test_table_shows_every_row(result):
    lines = table_text(result)
    for work in result["works"]:
        assert work["title"] in lines
    assert "200,000" in lines["PyTorch, 1 thread"]
    assert "2 ×" in lines["PyTorch, 1 thread"]
    assert "×" not in lines["fastlm, 2 threads"]


def test_text_below_it_is_complete(result):
    text = result_text(result)
    for part in (
        "105 GFLOP/s on one core, 208 GFLOP/s on all",
        "9.5 s",
        "0.7 s",
        "Abacus 9, 2 cores",
    ):
        assert part in text
    assert "something was left out" in text
    assert "8 rounds, of which 2 were disturbed and do not count" in text


def test_what_blas_cannot_tell_is_left_out(result):
    result["limits"]["sgemm_gflops"]["one"] = None
    for row in result["works"][0]["rows"]:
        row["sgemm_share"] = None
    assert "limits: sgemm 208 GFLOP/s on all;" in result_text(result)
    assert table_text(result)["PyTorch, 1 thread"].count("│") == 6


def test_no_start_in_the_quick_form(result):
    assert "start:" not in result_text({**result, "start": None})


def test_without_pytorch_its_row_says_how_to_get_it(result):
    assert 'PyTorch: pip install "fastlm[bench]"' in table_text(result)
    result["works"].pop()  # the work without PyTorch
    assert not any("pip install" in line for line in table_text(result))
