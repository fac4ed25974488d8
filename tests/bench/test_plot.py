"""The bar chart, and the errors where it cannot be drawn."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from fastlm.bench import plot
from fastlm.bench.plot import check_plot, save_plot
from fastlm.errors import ConfigError


@pytest.mark.parametrize(("suffix", "start"), [(".png", b"\x89PNG"), (".svg", b"<?xml")])
def test_chart_is_written(result, tmp_path, suffix, start):
    pytest.importorskip("matplotlib")
    path = tmp_path / f"chart{suffix}"
    save_plot(result, path)
    assert path.read_bytes().startswith(start)


def test_bars_are_the_best_of_each_kind(result):
    def rates(workload):
        bars = plot._bars(workload).items()
        return {label: row["tokens_per_second"]["median"] for label, row in bars}

    assert rates(result["workloads"][0]) == {
        "NumPy": 50_000.0,
        "PyTorch": 200_000.0,
        "JAX": 250_000.0,
        "fastlm, 1 thread": 220_000.0,
        "fastlm": 400_000.0,
    }
    assert rates(result["workloads"][1]) == {"pure Python": 2_000.0, "fastlm": 900_000.0}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("chart.pdf", r"ends in \.png or \.svg"),
        ("chart", r"ends in \.png or \.svg"),
        ("nowhere/chart.png", "no such folder"),
    ],
)
def test_what_could_not_be_saved_is_refused(tmp_path, name, message):
    with pytest.raises(ConfigError, match=message):
        check_plot(tmp_path / name)


def test_without_matplotlib_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="pip install matplotlib"):
        check_plot(Path("chart.png"))
