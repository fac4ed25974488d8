"""The bar chart, and what is said where it cannot be made."""

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
    assert plot._bars(result["works"][0]) == {
        "NumPy": 50_000.0,
        "PyTorch": 200_000.0,
        "fastlm, 1 thread": 220_000.0,
        "fastlm": 400_000.0,
    }
    assert plot._bars(result["works"][1]) == {"pure Python": 2_000.0, "fastlm": 900_000.0}


@pytest.mark.parametrize("name", ["chart.pdf", "chart"])
def test_other_formats_are_refused(tmp_path, name):
    with pytest.raises(ConfigError, match=r"ends in \.png or \.svg"):
        check_plot(tmp_path / name)


def test_a_folder_has_to_be_there(tmp_path):
    with pytest.raises(ConfigError, match="no such folder"):
        check_plot(tmp_path / "nowhere" / "chart.png")


def test_without_matplotlib_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r'pip install "fastlm\[plot\]"'):
        check_plot(Path("chart.png"))
