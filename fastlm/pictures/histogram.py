"""A histogram of a figure over many texts, and where a threshold cuts it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastlm.errors import ConfigError
from fastlm.pictures.axes import Panel, short_number, ticks
from fastlm.pictures.scene import Line, Rect, Scene, Text, text_width

__all__ = ["Histogram", "histogram_of", "histogram_scene"]

_BINS = 48
# Beyond this ratio of the largest to the smallest value the axis is logarithmic.
_LOG_RATIO = 20.0


@dataclass(frozen=True)
class Histogram:
    """How many values lie in each bin.

    Attributes
    ----------
    name : str
        What was counted, such as ``perplexity``.
    edges : sequence of float
        One more than there are bins; the last bin holds its upper edge, too.
    counts : sequence of int
    log : bool
        Whether the bins are equally wide on a logarithmic scale.
    missing : int
        Texts without the figure.
    threshold : float or None
    below : int
        Values that are at most the threshold, which a filter by ``--max`` keeps.
    """

    name: str
    edges: Sequence[float]
    counts: Sequence[int]
    log: bool
    missing: int = 0
    threshold: float | None = None
    below: int = 0

    @property
    def total(self) -> int:
        """All values."""
        return sum(self.counts)

    @property
    def split(self) -> str:
        """Say how many are kept, in a line; empty without a threshold."""
        if self.threshold is None:
            return ""
        share = self.below / self.total
        return (
            f"{self.below:,} of {self.total:,} ({share:.1%}) are at most "
            f"{short_number(self.threshold)}; {self.total - self.below:,} are above"
        )


def histogram_of(
    name: str, values: Sequence[float | None], threshold: float | None = None, bins: int = _BINS
) -> Histogram:
    """Count values in bins.

    Parameters
    ----------
    name : str
    values : sequence of float or None
        What is None or not finite counts as missing.
    threshold : float, optional
    bins : int

    Raises
    ------
    ConfigError
        Where no value is a number.
    """
    sound = np.array([v for v in values if v is not None and math.isfinite(v)], dtype=np.float64)
    if sound.size == 0:
        raise ConfigError(f"none of {len(values):,} records has a {name}; name another figure")
    low, high = float(sound.min()), float(sound.max())
    log = low > 0 and high / low > _LOG_RATIO
    if high <= low:
        low, high = low - 0.5, high + 0.5
    if log:
        edges = np.geomspace(low, high, bins + 1)
        edges[0], edges[-1] = low, high
    else:
        edges = np.linspace(low, high, bins + 1)
    counts = np.histogram(sound, edges)[0]
    return Histogram(
        name=name,
        edges=edges.tolist(),
        counts=counts.tolist(),
        log=log,
        missing=len(values) - sound.size,
        threshold=threshold,
        below=0 if threshold is None else int(np.count_nonzero(sound <= threshold)),
    )


def histogram_scene(histogram: Histogram, title: str, caption: str = "") -> Scene:
    """Return a histogram; bars that lie above the threshold have another colour."""
    top = 62.0 if histogram.threshold is not None else 44.0
    scene = Scene(title, top + 300)
    scene.add(Text(12, 22, title, "text", 15, bold=True))
    edges, counts = histogram.edges, histogram.counts
    panel = Panel(
        64, top, scene.width - 84, 250, (edges[0], edges[-1]), (0, max(counts) * 1.05),
        histogram.log,
    )  # fmt: skip
    panel.draw(scene, histogram.name, "texts", None if histogram.log else ticks(*panel.x_range, 9))
    threshold = histogram.threshold
    for low, high, count in zip(edges, edges[1:], counts, strict=False):
        x, y = panel.x(low), panel.y(count)
        above = threshold is not None and (low + high) / 2 > threshold
        tip = f"{short_number(low)} to {short_number(high)}: {count:,}"
        width, height = panel.x(high) - x - 1, panel.y(0) - y
        scene.add(Rect(x + 0.5, y, width, height, "c1" if above else "c0", 0.85, tip))
    if threshold is not None:
        if edges[0] <= threshold <= edges[-1]:
            x = panel.x(threshold)
            scene.add(Line([(x, top - 4), (x, panel.y(0))], "text", 1.5, dashed=True))
            label = short_number(threshold)
            end = x + text_width(label) + 10 > scene.width
            scene.add(Text(x - 6 if end else x + 6, top + 8, label, "text", 13,
                           "end" if end else "start", bold=True))  # fmt: skip
        scene.add(Text(12, 44, histogram.split, "muted", 13))
    if caption:
        scene.caption(caption)
    return scene
