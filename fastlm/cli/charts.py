"""Charts drawn with matplotlib."""

from __future__ import annotations

from pathlib import Path

from fastlm.api.inspection import Inspection

__all__ = ["save_curve"]


def save_curve(inspection: Inspection, path: Path) -> None:
    """Write the learning curve as PNG or SVG, by the file's name.

    Raises ConfigError where there is nothing to plot, or no matplotlib.
    """
    from fastlm.bench.plot import check_plot

    check_plot(path)
    curve = inspection.curve()
    # Without pyplot: no window system, no global state.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 4.2), layout="constrained")
    axes = figure.add_subplot()
    for name, points in curve.items():
        if points:
            steps, losses = zip(*points, strict=True)
            # A line of one point would not show.
            marker = "o" if name == "validation" or len(points) == 1 else ""
            axes.plot(steps, losses, label=name, marker=marker, markersize=3, linewidth=1.2)
    best = inspection.facts.get("best_step")
    if best is not None and inspection.facts.get("valid_loss"):
        axes.annotate(
            f"best: {inspection.facts['valid_loss']:.4f}",
            (best, inspection.facts["valid_loss"]),
            textcoords="offset points",
            xytext=(0, 12),
            ha="right",
            fontsize=8,
        )
    axes.set_xlabel("step")
    axes.set_ylabel("loss (nats per token)")
    axes.set_title(inspection.path.name, size=9)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=150)
