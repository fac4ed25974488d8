"""A result as a bar chart, on a log scale: five orders of magnitude lie between the slowest and
the fastest."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from fastlm.bench.results import best_row, our_row, tokens_per_second
from fastlm.errors import ConfigError

__all__ = ["check_plot", "save_plot"]

_SUFFIXES = (".png", ".svg")

_COLOURS = {
    "pure Python": "#b8860b",
    "fastlm, JIT off": "#c0c0c0",
    "NumPy": "#6a9f58",
    "PyTorch": "#d1605e",
    "torch.compile": "#e7a5a4",
    "fastlm, 1 thread": "#86b4d8",
    "fastlm": "#1f5f99",
}


def check_plot(path: Path) -> None:
    """Refuse, before anything is measured, a chart that could not be saved."""
    if path.suffix.lower() not in _SUFFIXES:
        raise ConfigError(f"{path} ends in {path.suffix!r}; name a file that ends in .png or .svg")
    if not path.parent.is_dir():
        raise ConfigError(f"{path.parent}: no such folder for {path.name}; create it first")
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigError('a chart needs matplotlib: pip install "fastlm[plot]"')


def save_plot(result: dict[str, Any], path: Path) -> None:
    """Write the chart as PNG or SVG, by the file's name: a group per work, a bar per kind."""
    check_plot(path)
    # Without pyplot: no window system, no global state.
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    works = result["works"]
    figure = Figure(figsize=(max(5.0, 1.6 * len(works) + 1.5), 4.8), layout="constrained")
    axes = figure.add_subplot()
    labelled: set[str] = set()
    for place, work in enumerate(works):
        bars = _bars(work)
        width = 0.8 / len(bars)
        for nth, (label, rate) in enumerate(bars.items()):
            axes.bar(
                place + (nth - (len(bars) - 1) / 2) * width,
                rate,
                width,
                color=_COLOURS[label],
            )
            labelled.add(label)
    axes.set_yscale("log")
    axes.set_ylabel("tokens/s in training")
    axes.set_xticks(
        range(len(works)), [work["title"].replace(", ", "\n") for work in works], fontsize=8
    )
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    keys = [Patch(color=_COLOURS[label], label=label) for label in _COLOURS if label in labelled]
    figure.legend(handles=keys, loc="outside lower center", ncols=4, fontsize=8)
    axes.set_title(f"{result['machine']['processor']}, {result['machine']['cores']} cores", size=9)
    figure.savefig(path, dpi=150)


def _bars(work: dict[str, Any]) -> dict[str, float]:
    """Tokens/s by label: of several numbers of threads the best."""
    rows = {
        "pure Python": best_row(work, "python"),
        "fastlm, JIT off": best_row(work, "nojit"),
        "NumPy": best_row(work, "numpy"),
        "PyTorch": best_row(work, "torch"),
        "torch.compile": best_row(work, "torch-compile"),
        "fastlm, 1 thread": best_row(work, "engine", 1),
        "fastlm": our_row(work),
    }
    if rows["fastlm, 1 thread"] is rows["fastlm"]:
        del rows["fastlm, 1 thread"]
    return {label: tokens_per_second(row) for label, row in rows.items() if row is not None}
