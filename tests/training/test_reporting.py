"""Reports: what callbacks are told, and which rows the metrics file gets."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastlm.callbacks import Callback, Validation
from fastlm.config import ModelConfig, TrainingConfig
from fastlm.errors import TrainingWarning
from fastlm.training.metrics import MetricsFile, read_rows
from fastlm.training.reporting import Reporter
from fastlm.training.run_state import RunningMean, RunState
from fastlm.training.schedule import RunPlan


class Listener(Callback):
    def __init__(self):
        self.said = []

    def on_progress(self, progress):
        self.said.append(progress)

    def on_validation(self, validation):
        self.said.append(validation)

    def on_notice(self, notice):
        self.said.append(notice)

    def on_end(self, result):
        self.said.append(result)


def reporter(callbacks, metrics=None, **training):
    plan = RunPlan(TrainingConfig(**{"batch": 10, "lr": 2.0} | training), 100)
    return Reporter(ModelConfig(vocab=5), plan, callbacks, metrics)


def progress_of(run, speed, **training):
    listener = Listener()
    reporter([listener], **training).progress(run, 0.5, speed)
    return listener.said[0]


def test_progress_of_a_run_by_steps():
    run = RunState(step=5, seconds=2.0, training_seconds=1.0, last_loss=3.0)
    found = progress_of(run, 25.0, steps=20)
    assert (found.step, found.total_steps, found.fraction) == (5, 20, 0.25)
    assert (found.epoch, found.total_epochs) == (0.5, 2.0)
    assert (found.loss, found.lr, found.tokens_per_second) == (3.0, 0.5, 25.0)
    assert (found.elapsed, found.remaining) == (2.0, 15 * 10 / 25)
    assert progress_of(run, 0.0, steps=20).remaining == 0


@pytest.mark.parametrize(
    ("steps", "speed", "remaining"),
    [(None, 25.0, 45.0), (20, 25.0, 6.0), (20, 1.0, 45.0), (20, 0.0, 45.0)],
)
def test_what_remains_of_a_run_by_time_is_the_lesser(steps, speed, remaining):
    run = RunState(step=5, seconds=15.0, training_seconds=1.0)
    assert progress_of(run, speed, minutes=1.0, steps=steps).remaining == remaining


def test_a_notice_is_one_line_and_a_warning_only_if_nobody_handles_it():
    listener = Listener()
    reporter([Callback(), listener]).notice("metrics", "two\n lines")
    assert [(n.kind, n.message) for n in listener.said] == [("metrics", "two lines")]
    with pytest.warns(TrainingWarning, match="two lines"):
        reporter([Callback()]).notice("metrics", "two\n lines")
    reporter([]).notice("no gain", "said quietly", warn=False)


def test_rows_of_the_metrics_file(tmp_path):
    path = tmp_path / "m.jsonl"
    reports = reporter([], MetricsFile(path), steps=20)
    run = RunState(step=5, seconds=1.0, since_row=RunningMean(6.0, 3))
    reports.validation(Validation(5, 0.5, 1.0, 2.0, math.exp(2), 2.5, True), run)
    assert run.since_row == RunningMean()
    reports.add_last_row(run)  # no step since the last row
    run.since_row = RunningMean(6.0, 3)
    reports.add_last_row(run)
    reports.sync()
    first, second = read_rows(path)
    assert first["event"] == "validation"
    assert (first["loss"], first["train_loss"], first["valid_loss"], first["best"]) == (
        2.0, 2.5, 2.0, True,
    )  # fmt: skip
    assert second == {"event": "progress", "step": 5, "epoch": 0.5, "seconds": 1.0, "loss": 2.0}
    assert run.rows == 2


def test_a_rollback_is_told_and_keeps_the_losses_for_the_next_row(tmp_path):
    path, listener = tmp_path / "m.jsonl", Listener()
    run = RunState(step=5, rate_factor=0.25, since_row=RunningMean(6.0, 3))
    run.rollbacks = [{"step": 9, "back_to": 5, "cause": "the loss is nan", "rate_factor": 0.25}]
    reporter([listener], MetricsFile(path)).rollback(run)
    assert listener.said[0].message == (
        "the loss is nan: back to step 5 with half the learning rate, 0.5"
    )
    (row,) = read_rows(path)
    assert (row["event"], row["step"], row["back_to"]) == ("rollback", 9, 5)
    assert run.since_row == RunningMean(6.0, 3)


def test_a_metrics_file_that_cannot_be_written_is_told_once(tmp_path, monkeypatch):
    listener, metrics = Listener(), MetricsFile(tmp_path / "m.jsonl")
    reports = reporter([listener], metrics)
    write = metrics._write

    def fail():
        raise OSError(28, "No space left on device")

    metrics._write = fail
    run = RunState(step=1)
    for run.step in (1, 2):
        run.since_row = RunningMean(1.0, 1)
        reports.add_last_row(run)
    (notice,) = listener.said
    assert "No space left on device; training goes on" in notice.message
    metrics._write = write
    run.step, run.since_row = 3, RunningMean(1.0, 1)
    reports.add_last_row(run)
    assert [row["step"] for row in read_rows(metrics.path)] == [1, 2, 3]


def test_the_result():
    listener = Listener()
    run = RunState(step=20, seconds=5.0, training_seconds=4.0, last_loss=1.5)
    result = reporter([listener]).end(run, "finished", "c.safetensors")
    assert listener.said == [result]
    assert (result.epoch, result.tokens, result.tokens_per_second) == (2.0, 200, 50.0)
    assert (result.best, result.checkpoint) == (None, "c.safetensors")
    assert reporter([]).end(RunState(), "interrupted", None).tokens_per_second == 0


def test_every_row_has_the_loss_since_the_row_before(tmp_path):
    """At a validation too: the curve of the losses has no jump there."""
    path = tmp_path / "m.jsonl"
    reports = reporter([], MetricsFile(path), steps=100)
    run = RunState()
    losses = 4.0 - np.arange(100) / 50
    for run.step in range(2, 102, 2):
        run.since_row = run.since_row.add(losses[run.step - 2 : run.step])
        if run.step == 50:
            reports.validation(Validation(50, 1.0, 1.0, 2.0, 7.4, 3.5, True), run)
        reports.progress(run, 0.1, 1.0)
    rows = [row for row in read_rows(path) if row["loss"] is not None]
    assert [row["step"] for row in rows] == list(range(2, 102, 2))
    np.testing.assert_allclose([row["loss"] for row in rows], losses.reshape(-1, 2).mean(1))


@pytest.mark.parametrize("total", [1, 7, 50, 1000])
def test_rows_are_due_at_every_fiftieth_of_a_run(total):
    reports, steps = reporter([], steps=total), [0]
    while steps[-1] < total:
        steps.append(int(reports.next_row_step(steps[-1])))
    assert steps[-1] == total
    assert len(steps) - 1 == min(50, total)
    assert reporter([], minutes=1.0).next_row_step(5) == math.inf
