"""Which records are kept, by limits and by percentiles, and in which bucket they are."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fastlm.errors import ConfigError
from fastlm.inference.scores import Score
from fastlm.jobs.calibration import Calibration
from fastlm.jobs.scored import Scored
from fastlm.text.records import BadRecord

__all__ = ["BUCKETS", "Rejection", "Selection"]

BUCKETS = ("head", "middle", "tail")
"""The likeliest texts, those after them, and the rest."""


class Rejection(NamedTuple):
    """Why a record is left out.

    Attributes
    ----------
    kind : {"bad", "no score", "below", "above"}
    reason : str
        In a line.
    """

    kind: str
    reason: str


@dataclass
class Selection:
    """Limits of figures, and of their percentiles.

    Attributes
    ----------
    limits : mapping of str to (float, float)
        By the name of the figure, its least and its most.
    keep_percentile : float, optional
        Keep this percentage, the likeliest.
    buckets : (float, float), optional
        The percentages at which head and middle end.
    calibrations : mapping of str to Calibration
        By the name of the model; `keep_percentile` and `buckets` need them.
    """

    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    keep_percentile: float | None = None
    buckets: tuple[float, float] | None = None
    calibrations: Mapping[str, Calibration] = field(default_factory=dict)

    @property
    def filters(self) -> bool:
        """Whether records may be left out."""
        return bool(self.limits) or self.keep_percentile is not None

    @property
    def needs_calibration(self) -> bool:
        """Whether figures are compared with those of a sample."""
        return self.keep_percentile is not None or self.buckets is not None

    def rejection(self, scored: Scored) -> Rejection | None:
        """Return why a record is left out; None where it is kept."""
        if isinstance(scored.record, BadRecord):
            return Rejection("bad", scored.without)
        if not self.filters:
            return None
        if scored.score is None:
            return Rejection("no score", scored.without)
        for figure, (low, high) in self.limits.items():
            value = getattr(scored.score, figure)
            if math.isnan(value):
                return Rejection("no score", f"no {figure}")
            if value < low:
                return Rejection("below", f"{figure} {value:.6g} is below {low:.6g}")
            if value > high:
                return Rejection("above", f"{figure} {value:.6g} is above {high:.6g}")
        if self.keep_percentile is None:
            return None
        calibration = self.calibrations.get(scored.model)
        if calibration is None:
            return Rejection("no score", f"no calibration for {scored.model!r}")
        value, most = _figure(scored.score, calibration), calibration.at(self.keep_percentile)
        if math.isnan(value):
            return Rejection("no score", f"no {calibration.figure}")
        if value <= most:
            return None
        return Rejection(
            "above",
            f"{calibration.figure} {value:.6g} is above {most:.6g}, percentile "
            f"{self.keep_percentile:g}",
        )

    def bucket(self, scored: Scored) -> str | None:
        """Return the bucket of a record; None where it has no figure."""
        if self.buckets is None or scored.score is None:
            return None
        calibration = self.calibrations.get(scored.model)
        if calibration is None or math.isnan(_figure(scored.score, calibration)):
            return None
        value = _figure(scored.score, calibration)
        above = sum(value > calibration.at(percent) for percent in self.buckets)
        return BUCKETS[above]

    def check(self) -> None:
        """Raise ConfigError for percentages that are none, or not in order."""
        given: list[tuple[str, Any]] = [("--keep-percentile", self.keep_percentile)]
        given += [("--buckets", percent) for percent in self.buckets or ()]
        for name, percent in given:
            if percent is not None and not 0 < percent <= 100:
                raise ConfigError(f"{name} is {percent}; give a percentage above 0, at most 100")
        if self.buckets is not None and self.buckets[0] >= self.buckets[1]:
            raise ConfigError(
                f"--buckets is {self.buckets[0]:g},{self.buckets[1]:g}; give two rising "
                "percentages, such as 30,60"
            )


def _figure(score: Score, calibration: Calibration) -> float:
    return float(getattr(score, calibration.figure))
