"""A result as a bar chart, on a log scale: five orders of magnitude lie between the slowest and
the fastest. Bars lie down, one below the other, so that any number of works stays readable."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

from fastlm.bench.results import best_row, our_row, tokens_per_second
from fastlm.bench.table import rate_text
from fastlm.errors import ConfigError

__all__ = ["check_plot", "save_plot"]

_SUFFIXES = (".png", ".svg")

# The palette of Okabe and Ito (2008), which colour-blind people can tell apart.
_COLOURS = {
    "pure Python": "#e69f00",
    "fastlm, JIT off": "#999999",
    "NumPy": "#009e73",
    "PyTorch": "#d55e00",
    "torch.compile": "#cc79a7",
    "fastlm, 1 thread": "#56b4e9",
    "fastlm": "#0072b2",
}

_BAR_INCHES = 0.16
_GAP_BARS = 1.2  # between works


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

    machine = result["machine"]
    groups = [(work["title"].replace(", ", "\n"), _bars(work)) for work in result["works"]]
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
            axes.barh(place, rate["median"], 0.9, color=_COLOURS[label])
            axes.plot([rate["low"], rate["high"]], [place, place], color="black", linewidth=0.8)
            axes.annotate(
                rate_text(rate["median"]),
                (max(rate["median"], rate["high"]), place),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=7,
            )
            place += 1
        place += _GAP_BARS
    rates = [tokens_per_second(row) for _, bars in groups for row in bars.values()]
    axes.set_xscale("log")
    # A bar of a log scale starts anywhere: below the slowest, and room for the figure at the end.
    axes.set_xlim(min(rates) / 3, max(rates) * 6)
    axes.set_ylim(place - _GAP_BARS + 0.2, -1.2)
    axes.set_yticks(ticks, [title for title, _ in groups], fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("tokens/s in training (log scale; lines: quartiles)", fontsize=8)
    axes.tick_params(axis="x", labelsize=8)
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    labelled = {label for _, bars in groups for label in bars}
    keys = [
        Patch(color=colour, label=label) for label, colour in _COLOURS.items() if label in labelled
    ]
    figure.legend(handles=keys, loc="outside upper center", ncols=4, fontsize=8, frameon=False)
    axes.set_title(f"{machine['processor']}, {machine['cores']} cores", fontsize=9)
    figure.savefig(path, dpi=150)


def _bars(work: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Rows by label: of several numbers of threads the best."""
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
    return {label: row for label, row in rows.items() if row is not None}
