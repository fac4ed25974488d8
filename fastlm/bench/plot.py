"""A result as a chart of horizontal bars, on a log scale over five orders of magnitude."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from fastlm.bench.table import best_row, our_row, rate_text, tokens_per_second
from fastlm.errors import ConfigError
from fastlm.wording import install

__all__ = ["check_plot", "save_plot"]

_SUFFIXES = (".png", ".svg")

# By label: the kind of rows, of which the fastest is drawn, and the colour, of the palette of Okabe
# and Ito (2008), which colour-blind people can tell apart.
_BARS = {
    "pure Python": ("python", "#e69f00"),
    "fastlm, JIT off": ("nojit", "#999999"),
    "NumPy": ("numpy", "#009e73"),
    "PyTorch": ("torch", "#d55e00"),
    "torch.compile": ("torch-compile", "#cc79a7"),
    "JAX": ("jax", "#f0e442"),
    "fastlm, 1 thread": ("engine", "#56b4e9"),
    "fastlm": ("engine", "#0072b2"),
}

# Height of a bar in inches, and the gap between workloads in bars.
_BAR_INCHES = 0.16
_GAP_BARS = 1.2


def check_plot(path: Path) -> None:
    """Raise ConfigError if a chart could not be saved there; call it before measuring."""
    if path.suffix.lower() not in _SUFFIXES:
        raise ConfigError(f"{path} ends in {path.suffix!r}; name a file that ends in .png or .svg")
    if not path.parent.is_dir():
        raise ConfigError(f"{path.parent}: no such folder for {path.name}; create it first")
    if importlib.util.find_spec("matplotlib") is None:
        raise ConfigError(f"a chart needs matplotlib: {install('matplotlib')}")


def save_plot(result: dict[str, Any], path: Path) -> None:
    """Write the chart as PNG or SVG, by the file's name: a group per workload, a bar per kind.

    Raises ConfigError if it cannot be saved there, or nothing was measured.
    """
    check_plot(path)
    # Without pyplot: no window system, no global state.
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    machine = result["machine"]
    groups = [(each["title"].replace(", ", "\n"), _bars(each)) for each in result["workloads"]]
    if not groups:
        raise ConfigError(f"nothing was measured, so there is no chart to save as {path}")
    count = sum(len(bars) + _GAP_BARS for _, bars in groups)
    figure = Figure(figsize=(8, max(2.0, _BAR_INCHES * count + 1.1)), layout="constrained")
    axes = figure.add_subplot()
    place = 0.0
    ticks: list[float] = []
    for _, bars in groups:
        ticks.append(place + (len(bars) - 1) / 2)
        for label, row in bars.items():
            rate = row["tokens_per_second"]
            median, colour = rate["median"], _BARS[label][1]
            quartiles = [[median - rate["low"]], [rate["high"] - median]]
            bar = axes.barh(
                place, median, 0.9, color=colour, xerr=quartiles, error_kw={"linewidth": 0.8}
            )
            axes.bar_label(bar, [rate_text(median)], padding=3, fontsize=7)
            place += 1
        place += _GAP_BARS
    rates = [tokens_per_second(row) for _, bars in groups for row in bars.values()]
    axes.set_xscale("log")
    # A log scale has no zero: bars start below the slowest; the end leaves room for figures.
    axes.set_xlim(min(rates) / 3, max(rates) * 6)
    axes.set_ylim(place - _GAP_BARS + 0.2, -1.2)
    axes.set_yticks(ticks, [title for title, _ in groups], fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("tokens/s in training (log scale; lines: quartiles)", fontsize=8)
    axes.tick_params(axis="x", labelsize=8)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    labels = [label for label in _BARS if any(label in bars for _, bars in groups)]
    keys = [Patch(color=_BARS[label][1], label=label) for label in labels]
    figure.legend(handles=keys, loc="outside upper center", ncols=4, fontsize=8, frameon=False)
    axes.set_title(f"{machine['processor']}, {machine['cores']} cores", fontsize=9)
    figure.savefig(path, dpi=150)


def _bars(workload: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return rows by label, of several numbers of threads the fastest."""
    rows = {label: best_row(workload, kind) for label, (kind, _) in _BARS.items()}
    ours, one = our_row(workload), best_row(workload, "engine", threads=1)
    rows |= {"fastlm, 1 thread": None if one is ours else one, "fastlm": ours}
    return {label: row for label, row in rows.items() if row is not None}
