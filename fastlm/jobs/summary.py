"""The summary of a job: how many records, what they came to, and how long it took."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from fastlm.errors import ConfigError
from fastlm.jobs.quantiles import Histogram
from fastlm.jobs.scored import Scored
from fastlm.model.figures import perplexity, ratio
from fastlm.system.atomic_file import replace_file, unwritable
from fastlm.system.json_values import finite_or_none
from fastlm.types import FilePath

__all__ = ["Summary"]

_PERCENTILES = (1, 5, 10, 25, 50, 75, 90, 95, 99)
_COUNTS = ("records", "kept", "scored", "tokens", "oov", "chars")


class Summary:
    """Counts and sums over the records of a job; they can be saved and continued.

    Attributes
    ----------
    counts : dict of str to int
        ``records``, ``kept``, ``scored`` (those with a score), ``tokens``, ``oov``, ``chars``.
    rejected : dict of str to int
        Records that were left out, by the kind of reason.
    log_prob : float
        Of all texts together, in nats.
    perplexities : Histogram
        Of the texts.
    seconds : float
        Of all runs that it took.
    first_bad : str
        The first record that could not be used, and why.
    """

    def __init__(self) -> None:
        self.counts = dict.fromkeys(_COUNTS, 0)
        self.rejected: dict[str, int] = {}
        self.log_prob = 0.0
        self.perplexities = Histogram()
        self.seconds = 0.0
        self.first_bad = ""

    def add(self, scored: Sequence[Scored], kept: int, rejected: Mapping[str, int]) -> None:
        """Add records, of which some are kept."""
        scores = [each.score for each in scored if each.score is not None]
        of_block = {"records": len(scored), "kept": kept, "scored": len(scores)}
        for name in ("tokens", "oov", "chars"):
            of_block[name] = sum(getattr(score, name) for score in scores)
        for name, count in of_block.items():
            self.counts[name] += count
        for kind, count in rejected.items():
            self.rejected[kind] = self.rejected.get(kind, 0) + count
        self.log_prob += sum(score.log_prob for score in scores)
        self.perplexities.add([score.perplexity for score in scores])

    def add_skipped(self, name: str, rows: int) -> None:
        """Add rows of a file that have too few or too many values."""
        self.rejected["bad"] = self.rejected.get("bad", 0) + rows
        self.first_bad = self.first_bad or f"{name}: rows with too few or too many values"

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON has them."""
        quantiles = self.perplexities.quantiles([percent / 100 for percent in _PERCENTILES])
        nats = ratio(-self.log_prob, self.counts["tokens"])
        return {
            **self.counts,
            "rejected": self.rejected,
            "log_prob": self.log_prob,
            "mean_nats": finite_or_none(nats),
            "perplexity": finite_or_none(perplexity(nats)),
            "perplexity_quantiles": {
                str(percent): finite_or_none(value)
                for percent, value in zip(_PERCENTILES, quantiles, strict=True)
            },
            "seconds": round(self.seconds, 3),
        }

    def write(self, path: FilePath) -> None:
        """Write the figures as a JSON object; ConfigError where it cannot be written."""
        try:
            replace_file(path, [json.dumps(self.to_dict(), indent=1).encode() + b"\n"])
        except (OSError, ValueError) as error:
            raise ConfigError(unwritable("summary", path, error)) from None

    def state(self) -> dict[str, Any]:
        """Return what ``from_state`` needs, as JSON has it."""
        assert math.isfinite(self.log_prob)
        return {
            "counts": self.counts,
            "rejected": self.rejected,
            "log_prob": self.log_prob,
            "perplexities": self.perplexities.to_dict(),
            "seconds": self.seconds,
            "first_bad": self.first_bad,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Summary:
        """Return what ``state`` came from."""
        summary = cls()
        summary.counts = dict(state["counts"])
        summary.rejected = dict(state["rejected"])
        summary.log_prob = state["log_prob"]
        summary.perplexities = Histogram.from_dict(state["perplexities"])
        summary.seconds = state["seconds"]
        summary.first_bad = state["first_bad"]
        return summary
