"""Calibrations: a file with the quantiles of one figure and one model."""

from __future__ import annotations

import json
import math

import pytest

from fastlm.errors import ConfigError, ModelFileError
from fastlm.jobs.calibration import Calibration, model_checksum
from fastlm.jobs.quantiles import Histogram

from .sources import model_file


def calibration(model: str, values=range(1, 1001)) -> Calibration:
    histogram = Histogram()
    histogram.add(list(values))
    return Calibration.of(model_checksum(model), "perplexity", histogram, "sample")


def test_a_file_gives_the_same_again(tmp_path):
    model = model_file(tmp_path)
    found = calibration(model, [*range(1, 990), *[math.inf] * 11])
    found.write(tmp_path / "c.json")
    assert Calibration.read(tmp_path / "c.json", model) == found
    assert found.at(50) == pytest.approx(500, rel=1e-3)
    assert found.at(100) == math.inf
    assert found.at(99.9) == math.inf
    assert found.texts == 1000


def test_between_two_steps():
    steps = [float(step) for step in range(1001)]
    found = Calibration("", "perplexity", 1, steps)
    assert [found.at(percent) for percent in (0, 12.34, 99.99, 100)] == pytest.approx(
        [0, 123.4, 999.9, 1000]
    )


def test_what_is_refused(tmp_path):
    model, other = model_file(tmp_path), model_file(tmp_path, "n.safetensors", seed=1)
    path = tmp_path / "c.json"
    calibration(model).write(path)
    with pytest.raises(ConfigError, match=r"of another model than .*n.safetensors; write one"):
        Calibration.read(path, other)
    with pytest.raises(ConfigError, match=r"cannot read .*gone"):
        Calibration.read(tmp_path / "gone", model)
    with pytest.raises(ConfigError, match="sample has no text with a perplexity"):
        calibration(model, [])
    good = json.loads(path.read_text())
    for change in (
        {"figure": "tokens"}, {"fastlm_calibration": 9}, {"texts": -1}, {"quantiles": [1.0]},
        {"quantiles": [1.0] * 1000 + [0.5]}, {"quantiles": ["a"] * 1001}, {"quantiles": None},
        {"other": 1},
    ):  # fmt: skip
        path.write_text(json.dumps(good | change))
        with pytest.raises(ConfigError, match=r"c\.json"):
            Calibration.read(path, model)
    for text in ("[]", "{}", "{", "", "\xff"):
        path.write_text(text, encoding="latin-1")
        with pytest.raises(ConfigError, match=r"c\.json"):
            Calibration.read(path, model)
    with pytest.raises(ConfigError, match="cannot write the calibration"):
        calibration(model).write(tmp_path)


def test_the_checksum_of_an_arpa_file_is_that_of_its_bytes(tmp_path):
    one, other = tmp_path / "a.arpa", tmp_path / "b.arpa"
    one.write_bytes(b"text")
    other.write_bytes(b"text")
    assert model_checksum(one) == model_checksum(other)
    other.write_bytes(b"test")
    assert model_checksum(one) != model_checksum(other)
    with pytest.raises(ModelFileError, match=r"cannot read .*c\.arpa"):
        model_checksum(tmp_path / "c.arpa")


def test_percentiles_are_the_inverse_of_the_figures() -> None:
    quantiles = [1.0] * 101 + [1.0 + step / 100 for step in range(1, 900)] + [math.inf]
    calibration = Calibration("m", "perplexity", 1000, quantiles)
    for percent in (11.0, 50.0, 50.05, 99.8):
        assert calibration.percentile(calibration.at(percent)) == pytest.approx(percent)
    assert calibration.percentile(1.0) == 5
    assert (calibration.percentile(0.5), calibration.percentile(math.inf)) == (0, 100)
    assert calibration.percentile(1e9) == pytest.approx(99.9)
    assert math.isnan(calibration.percentile(math.nan))
