from __future__ import annotations

import math

import pytest

from fastlm.api.language_model import LanguageModel
from fastlm.errors import FastlmError
from fastlm.jobs.calibration import Calibration
from fastlm.jobs.request import ScoreRequest
from fastlm.jobs.watching import Watch
from fastlm.text.decoding import Reading
from tests.api.models import make_model

LINES = ["to be or not to be"] * 30 + ["the question"] + ["zq zq @@@"] + ["to be"] * 5 + [""]


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "m.safetensors"
    make_model("char", documents="lines").save(path)
    return str(path)


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.txt"
    path.write_text("\n".join(LINES) + "\n", encoding="utf-8")
    return str(path)


def watch(model, *files, **settings):
    given = {"reading": Reading(), "longest": math.inf, "threads": 1} | settings
    return Watch(model=model, files=files, **given)


def test_percentiles_are_of_those_before(model, log):
    """The oracle counts the lines before each."""
    scores = [score.perplexity for score in LanguageModel.load(model).score(LINES)]
    found = list(watch(model, log, alert=0.0).run())
    shown = {each.record.number: each for each in found}
    for number, value in enumerate(scores[1:], 2):
        before = [each for each in scores[: number - 1] if not math.isnan(each)]
        percentile = (
            100 * sum((each < value) + (each == value) / 2 for each in before) / len(before)
        )
        assert (number in shown) == (percentile > 0)
        if number in shown:
            # Figures that lie in one bin of a thousandth count as equal.
            assert shown[number].percentile == pytest.approx(percentile, abs=4)


def test_no_alert_comes_before_there_are_enough(model, log):
    job = watch(model, log, alert=90.0)
    assert job.needed == 10
    assert watch(model, log, alert=99.0).needed == 100
    assert all(each.record.number > 10 for each in job.run())
    assert job.seen == len(LINES) - (LINES[-1] == "" and math.isnan(_last(model)))


def _last(model):
    return list(LanguageModel.load(model).score(LINES))[-1].perplexity


def test_a_calibration_takes_the_place_of_what_was_seen(model, log, tmp_path):
    request = ScoreRequest(models={"": model}, files=[log], reading=Reading(), longest=math.inf)
    calibration = request.calibration("perplexity")
    assert isinstance(calibration, Calibration)
    path = tmp_path / "c.json"
    calibration.write(path)
    found = list(watch(model, log, alert=95.0, calibrate=str(path)).run())
    scores = [score.perplexity for score in LanguageModel.load(model).score(LINES)]
    most = max(score for score in scores if not math.isnan(score))
    assert most in [each.score.perplexity for each in found]
    assert len(found) <= 0.06 * len(LINES)


def test_explanations_and_limits(model, log):
    found = list(watch(model, log, tokens=True, limits={"perplexity": (0.0, math.inf)}).run())
    assert [each.explanation.text for each in found] == [
        line for line in LINES if line or not math.isnan(_last(model))
    ]
    assert {each.percentile for each in found} == {None}
    assert all(each.explanation.spans for each in found)


@pytest.mark.parametrize(
    ("settings", "files", "why"),
    [
        ({"alert": 100.0}, ("a",), "--alert is 100"),
        ({"alert": -1.0}, ("a",), "--alert is -1"),
        ({"calibrate": "c"}, ("a",), "add --alert"),
        ({"follow": True}, ("a", "b"), "one file, not 2"),
    ],
)
def test_what_cannot_be_watched_is_refused(model, settings, files, why):
    with pytest.raises(FastlmError, match=why):
        watch(model, *files, **settings).check()


def test_bad_records_end_it_or_are_left_out(model, tmp_path):
    path = tmp_path / "bad.txt"
    path.write_bytes(b"to be\n\xff\xff\nor not\n")
    with pytest.raises(FastlmError, match=r"line 2: .*--skip-bad|line 2: .*skip_bad"):
        list(watch(model, str(path), tokens=True).run())
    told: list[str] = []
    job = watch(model, str(path), tokens=True, reading=Reading(skip_bad=True), tell=told.append)
    assert [each.record.text for each in job.run()] == ["to be", "or not"]
    assert len(told) == 1
