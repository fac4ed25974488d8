"""Calibrations: the quantiles of a figure over a sample of texts, for one model."""

from __future__ import annotations

import hashlib
import json
import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from fastlm.api.arpa import is_arpa
from fastlm.errors import ConfigError, ModelFileError
from fastlm.jobs.quantiles import Histogram
from fastlm.model.model_file import read_metadata
from fastlm.system.atomic_file import reason_of, replace_file, unwritable
from fastlm.system.json_values import LIST, TEXT, WHOLE, Kind, parse_json, read_object
from fastlm.types import FilePath

__all__ = ["FIGURES", "Calibration", "model_checksum"]

FIGURES = ("perplexity", "bits_per_char", "bits_per_byte")
"""The figures of a score that may be calibrated; of all of them less is likelier."""

_VERSION = 1
_STEPS = 1000
_KINDS: Mapping[str, Kind] = {
    "fastlm_calibration": Kind(f"{_VERSION}", lambda value: value == _VERSION),
    "model": TEXT,
    "figure": Kind(" or ".join(FIGURES), lambda value: value in FIGURES),
    "texts": WHOLE,
    "quantiles": LIST,
}


def model_checksum(path: FilePath) -> str:
    """Return the checksum of a model file: that of its weights and of all facts about it.

    Of an ARPA file it is that of its bytes.
    """
    if not is_arpa(path):
        return str(read_metadata(path)["checksum"])
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "blake2b").hexdigest()[:32]
    except OSError as error:
        raise ModelFileError(f"cannot read {path}: {reason_of(error)}") from None


@dataclass(frozen=True)
class Calibration:
    """Which figure of a score has which share of texts below it.

    Attributes
    ----------
    model : str
        The checksum of the model file.
    figure : str
        One of `FIGURES`.
    texts : int
        How many texts had the figure.
    quantiles : list of float
        From 0 to 1 in steps of a thousandth; the last ones may be infinite.
    """

    model: str
    figure: str
    texts: int
    quantiles: list[float]

    @classmethod
    def of(cls, model: str, figure: str, histogram: Histogram, name: str) -> Calibration:
        """Return the calibration of counted figures.

        Raises
        ------
        ConfigError
            Where there are none; `name` is that of the sample.
        """
        if not histogram.count:
            raise ConfigError(f"{name} has no text with a {figure}; calibrate with one that has")
        quantiles = histogram.quantiles([step / _STEPS for step in range(_STEPS + 1)])
        return cls(model, figure, histogram.count, quantiles)

    def at(self, percent: float) -> float:
        """Return the figure that this percentage of texts has at most."""
        place = percent / 100 * _STEPS
        below = min(int(place), _STEPS - 1)
        low, high = self.quantiles[below], self.quantiles[below + 1]
        return high if math.isinf(high) else low + (high - low) * (place - below)

    def percentile(self, value: float) -> float:
        """Return the percentage of texts whose figure is smaller; NaN for NaN.

        Between two quantiles the percentage rises evenly; where many texts have the same figure, it
        is that of the middle one.
        """
        if math.isnan(value):
            return math.nan
        first, last = bisect_left(self.quantiles, value), bisect_right(self.quantiles, value)
        if first < last:
            return 50 * (first + last - 1) / _STEPS
        if first in (0, len(self.quantiles)):
            return 0.0 if first == 0 else 100.0
        low, high = self.quantiles[first - 1], self.quantiles[first]
        return 100 * (first - 1 + (value - low) / (high - low)) / _STEPS

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it; null for infinite."""
        quantiles = [None if math.isinf(value) else value for value in self.quantiles]
        return {
            "fastlm_calibration": _VERSION,
            "model": self.model,
            "figure": self.figure,
            "texts": self.texts,
            "quantiles": quantiles,
        }

    @classmethod
    def from_dict(cls, form: Any, name: FilePath) -> Calibration:
        """Return what ``to_dict`` gave; ConfigError for anything else."""
        values = read_object(
            form, f"{name}, as a calibration,", _KINDS, lambda message: ConfigError(message)
        )
        quantiles = [math.inf if value is None else value for value in values["quantiles"]]
        if (
            len(quantiles) != _STEPS + 1
            or not all(isinstance(value, float) and value >= 0 for value in quantiles)
            or any(high < low for low, high in pairwise(quantiles))
        ):
            raise ConfigError(
                f"{name} has no {_STEPS + 1:,} rising quantiles; write it anew with fastlm "
                "calibrate"
            )
        return cls(values["model"], values["figure"], values["texts"], quantiles)

    def write(self, path: FilePath) -> None:
        """Write it, whole or not at all; ConfigError where it cannot be."""
        try:
            replace_file(path, [json.dumps(self.to_dict(), indent=1).encode() + b"\n"])
        except (OSError, ValueError) as error:
            raise ConfigError(unwritable("calibration", path, error)) from None

    @classmethod
    def read(cls, path: FilePath, model: FilePath) -> Calibration:
        """Return the calibration in a file.

        Raises
        ------
        ConfigError
            Where it cannot be read, is none, or is one of another model than that in `model`.
        """
        try:
            form = parse_json(Path(path).read_bytes())
        except OSError as error:
            raise ConfigError(
                f"cannot read {path}: {reason_of(error)}; name a file of fastlm calibrate"
            ) from None
        except ValueError:
            raise ConfigError(
                f"{path} is no calibration; name a file of fastlm calibrate"
            ) from None
        found = cls.from_dict(form, path)
        if found.model != model_checksum(model):
            raise ConfigError(
                f"{path} is the calibration of another model than {model}; write one of this "
                "model with fastlm calibrate"
            )
        return found
