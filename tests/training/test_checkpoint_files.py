"""Checkpoint files: how often they are written, which are kept, and which one is resumed."""

from __future__ import annotations

import errno
import os

import pytest

from fastlm.callbacks import Callback
from fastlm.errors import ConfigError, ModelFileError
from fastlm.model.model_file import read_model_file, write_model_file
from fastlm.training.checkpoint import read_checkpoint
from fastlm.training.checkpoint_files import (
    CheckpointFiles,
    Interval,
    check_unfinished,
    newest_checkpoint,
)
from fastlm.training.metrics import MetricsFile
from fastlm.training.run_files import numbered_checkpoints
from fastlm.training.trainer import Trainer
from tests.training.runs import (
    STEPS,
    TOKENS,
    VALID,
    Listener,
    assert_same,
    cut,
    new_trainer,
    resumed,
)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "m.checkpoint.safetensors"


@pytest.mark.parametrize(
    ("text", "seconds", "steps"),
    [
        ("60", 60, None), ("60s", 60, None), (90, 90, None), ("5m", 300, None), ("0.5", 0.5, None),
        ("1.5 h", 5400, None), ("5 minutes", 300, None), ("2000 steps", None, 2000),
        ("1 step", None, 1),
    ],
)  # fmt: skip
def test_intervals(text, seconds, steps):
    interval = Interval(text)
    assert (interval.seconds, interval.steps) == (seconds, steps)


@pytest.mark.parametrize("text", ["", "often", "0", "0 steps", "-5", "1.5 steps", "5 days", "nan"])
def test_bad_intervals(text):
    with pytest.raises(ConfigError, match="checkpoint_every"):
        Interval(text)


@pytest.mark.parametrize("keep", [-1, 1.5, True, "2"])
def test_bad_numbers_of_files(path, keep):
    with pytest.raises(ConfigError, match="keep is"):
        CheckpointFiles(path, keep=keep)


def test_by_default_there_is_one_file(path):
    new_trainer(path, every="4 steps").fit()
    assert list(path.parent.iterdir()) == [path]
    assert read_checkpoint(path).run.step == STEPS


@pytest.mark.parametrize("links", [True, False])
def test_older_ones_are_kept(path, links, monkeypatch):
    if not links:
        monkeypatch.delattr("os.link")
        monkeypatch.setattr(
            "os.link", lambda *_: (_ for _ in ()).throw(OSError(95, "no")), raising=False
        )
    new_trainer(path, every="5 steps", keep=3).fit()
    older = numbered_checkpoints(path)
    assert [read_checkpoint(file).run.step for file in older] == [20, 15, 10]
    assert older[0].name == "m.checkpoint-0000000020.safetensors"
    assert len(list(path.parent.iterdir())) == 4


def test_the_newest_valid_one_is_taken(path):
    new_trainer(path, every="5 steps", keep=3).fit()
    whole = new_trainer()
    whole.fit()
    path.write_bytes(path.read_bytes()[:-1])
    older = numbered_checkpoints(path)[0]
    older.write_bytes(b"nonsense")
    checkpoint, said = newest_checkpoint(path)
    assert checkpoint.run.step == 15
    assert "cut short" in said
    assert "going on from" in said
    listener = Listener()
    trainer = resumed(path, listener)
    assert [notice.kind for notice in listener.notices] == ["resume"]
    trainer.fit()
    assert_same(trainer, whole)
    assert read_checkpoint(path).run.step == STEPS


def test_a_damaged_one_does_not_replace_the_older_one_that_is_resumed(path):
    new_trainer(path, every="5 steps", keep=9).fit()
    path.write_bytes(path.read_bytes()[:-1])
    again = {"checkpoint_every": "2 steps", "keep": 9, "callbacks": [Listener()]}
    Trainer.resume(path, TOKENS, VALID, **again).fit()
    found = [read_checkpoint(file).run.step for file in numbered_checkpoints(path)]
    assert found == [22, 20, 15, 10, 5]


def test_no_checkpoint_at_all(path):
    with pytest.raises(ModelFileError, match=r"there is no checkpoint .* to resume from"):
        Trainer.resume(path)


def test_a_new_run_drops_the_numbered_ones_of_the_run_before(path):
    new_trainer(path, every="5 steps", keep=3).fit()
    new_trainer(path, every="5 steps", keep=3, steps=6).fit()
    assert [file.name for file in numbered_checkpoints(path)] == [
        "m.checkpoint-0000000005.safetensors"
    ]


def test_fit_again_keeps_the_numbered_ones_of_its_own_run(path):
    trainer = cut(path, 9, every="3 steps", keep=9)
    before = numbered_checkpoints(path)
    assert [read_checkpoint(file).run.step for file in before] == [6, 3]
    trainer.callbacks.clear()
    trainer.fit()
    assert set(before) <= set(numbered_checkpoints(path))


def test_when_one_is_due():
    by_steps = CheckpointFiles("c.safetensors", "5 steps")
    assert [step for step in range(1, 16) if by_steps.due(step)] == [5, 10, 15]
    assert [by_steps.next_step(step) for step in (0, 4, 5, 9)] == [5, 5, 10, 10]
    by_time = CheckpointFiles("c.safetensors", "1h")
    assert not by_time.due(5)
    assert by_time.next_step(5) == float("inf")


def test_a_new_run_does_not_replace_one_that_has_not_ended(path):
    check_unfinished(path)
    path.write_bytes(b"")
    check_unfinished(path)
    cut(path, 3)
    with pytest.raises(ConfigError, match=r"has not ended \(step 3\); go on with resume=True"):
        check_unfinished(path)
    resumed(path).fit()
    check_unfinished(path)
    path.write_bytes(b"my notes")
    with pytest.raises(ConfigError, match="remove it, or name another checkpoint"):
        check_unfinished(path)


def test_metrics_that_cannot_be_synced_stop_no_checkpoint(path, tmp_path, monkeypatch):
    metrics = MetricsFile(tmp_path / "m.metrics.jsonl")

    def fail():
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(metrics, "sync", fail)
    listener = Listener()
    trainer = new_trainer(path, every="6 steps", listener=listener)
    trainer._reporter.metrics = metrics
    trainer.fit()
    assert read_checkpoint(path).run.step == STEPS
    assert [notice.kind for notice in listener.notices] == ["metrics"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_no_checkpoint(path):
    os.mkfifo(path)
    with pytest.raises(ConfigError, match="not a regular file"):
        check_unfinished(path)


def test_a_resumed_run_keeps_as_many_as_before(path):
    cut(path, 12, every="4 steps", keep=3)
    resumed(path, every=None).fit()
    assert [read_checkpoint(older).run.step for older in numbered_checkpoints(path)] == [20, 16, 12]
    assert (read_checkpoint(path).every, read_checkpoint(path).keep) == ("4 steps", 3)


def test_a_resumed_run_may_keep_fewer(path):
    cut(path, 12, every="4 steps", keep=3)
    resumed(path, every=None, keep=1).fit()
    assert [read_checkpoint(older).run.step for older in numbered_checkpoints(path)] == [20]


def test_of_a_file_that_does_not_say_all_are_kept(path):
    """As versions wrote it that did not say how many to keep."""
    cut(path, 12, every="4 steps", keep=2)
    tensors, metadata = read_model_file(path)
    for name in ("format_version", "library_version", "checkpoints", "good"):
        metadata.pop(name)
    old = {name: array for name, array in tensors.items() if not name.startswith("state.good.")}
    write_model_file(path, old, metadata, "checkpoint")
    resumed(path, every="4 steps").fit()
    assert len(numbered_checkpoints(path)) == 2


def test_between_snapshots_a_checkpoint_waits_a_little(path, monkeypatch):
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    files = CheckpointFiles(path, "60s")
    now += 59
    assert not files.due(1, at_snapshot=True)
    now += 2
    assert files.due(1, at_snapshot=True)
    assert not files.due(1, at_snapshot=False)
    now += 6
    assert files.due(1, at_snapshot=False)


def test_of_two_runs_with_one_checkpoint_the_second_is_refused(tmp_path):
    path = tmp_path / "c.safetensors"
    refused = []

    class Second(Callback):
        def on_progress(self, progress):
            if not refused:
                with pytest.raises(ConfigError, match="another run is writing") as error:
                    new_trainer(path, every="1h").fit()
                refused.append(error)

    trainer = new_trainer(path, every="1h", listener=Second(), steps=4)
    trainer.fit()
    assert refused
    assert list(tmp_path.iterdir()) == [path]  # no lock stays
    assert Trainer.resume(path, TOKENS, VALID, steps=6).fit().step == 6
