"""Runs are read from metrics, models and checkpoints alike."""

from __future__ import annotations

import json

import pytest

import fastlm
from fastlm.api.pages.runs import read_runs, read_speeds
from fastlm.api.samples import SampleEvery
from fastlm.errors import ConfigError, FastlmError, ModelFileError
from tests.api.models import make_model

TEXT = "the cat sat on the mat and the dog sat on the log. " * 20
SETTINGS = {"context": 3, "embed": 4, "hidden": (8,), "batch": 8, "steps": 40, "counts": "none"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(the model file, the checkpoint, the metrics, the model) of a run with samples."""
    folder = tmp_path_factory.mktemp("run")
    model, checkpoint = folder / "m.safetensors", folder / "m.checkpoint.safetensors"
    metrics = folder / "m.metrics.jsonl"
    samples = SampleEvery(steps=20, show=False, length=5, file=folder / "m.samples.jsonl")
    lm = fastlm.train(
        TEXT, valid=0.2, checkpoint=checkpoint, metrics=metrics, callbacks=samples, **SETTINGS
    )
    lm.save(model)
    return model, checkpoint, metrics, lm


def test_a_run_is_the_same_from_each_of_its_files(run):
    curves = [read_runs([path])[0] for path in run[:3]]
    assert curves[0] == curves[1] == curves[2]
    (curve, *_), lm = curves, run[3]
    assert curve.name == "m"
    assert [(p.step, p.loss) for p in curve.valid] == [
        (row["step"], row["valid_loss"]) for row in lm.details["history"]
    ]
    assert curve.train[-1].step == curve.samples[-1].step == 40
    assert curve.samples[-1].text == lm.generate(length=5, seed=0)


def test_runs_of_one_name_are_told_apart(run):
    names = [curve.name for curve in read_runs([run[0], run[2]])]
    assert names == [str(run[0]), str(run[2])]


def test_a_model_without_metrics_has_its_history(run, tmp_path):
    run[3].save(tmp_path / "alone.safetensors")
    (curve,) = read_runs([tmp_path / "alone.safetensors"])
    assert len(curve.valid) == len(curve.train) == len(run[3].details["history"])
    assert curve.samples == []


@pytest.mark.thorough
def test_the_curve_of_a_run_without_validation_ends_with_its_last_steps(tmp_path):
    """Not with the mean of all epochs; and it has points, however short the run."""
    model = tmp_path / "m.safetensors"
    lm = fastlm.train(
        texts=["the quick brown fox jumps over the lazy dog. " * 4],
        preset="tiny",
        metrics=tmp_path / "m.metrics.jsonl",
    )
    lm.save(model)
    losses = [point.loss for point in read_runs([model])[0].train]
    assert len(losses) >= 45
    assert losses[-1] < 0.5 * losses[0]
    assert lm.details["train_loss"] == pytest.approx(losses[-1], rel=0.2)


def test_what_is_no_run(run, tmp_path):
    make_model().save(tmp_path / "m.safetensors")
    with pytest.raises(ConfigError, match="has no losses to plot"):
        read_runs([tmp_path / "m.safetensors"])
    (tmp_path / "notes.txt").write_text("notes")
    with pytest.raises(ConfigError, match="holds no run; name a model, a checkpoint or"):
        read_runs([tmp_path / "notes.txt"])
    (tmp_path / "bad.safetensors").write_text("notes")
    with pytest.raises(ModelFileError):
        read_runs([tmp_path / "bad.safetensors"])
    for absent in ("absent.safetensors", "absent.metrics.jsonl"):
        with pytest.raises(FastlmError, match="there is no file"):
            read_runs([tmp_path / absent])


def test_rows_that_no_run_wrote_are_left_out(tmp_path):
    path = tmp_path / "x.metrics.jsonl"
    rows = [
        {"event": "progress", "step": "x", "seconds": 1, "loss": 1},
        {"event": "progress", "step": 5, "seconds": [], "loss": 2.0, "tokens_per_second": 7.0},
        {"event": "validation", "step": 5, "seconds": 1, "loss": None, "valid_loss": "low"},
        {"event": "validation", "step": 6, "seconds": 2, "loss": 3.0, "valid_loss": 4.0},
        {"event": "rollback", "step": 5, "seconds": 3},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    (curve,) = read_runs([path])
    assert [(p.step, p.loss) for p in curve.train] == [(5, 2.0)]
    assert curve.valid == []
    assert read_speeds(path) == [7.0]
    assert read_speeds(tmp_path / "absent") == []
