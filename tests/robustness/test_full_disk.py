"""A disk that is full and a folder that is not to be written to: training goes on, the last
checkpoint stays whole, and the next one is written when there is room."""

from __future__ import annotations

import contextlib
import os

import pytest

from fastlm.errors import ModelFileError
from fastlm.training.checkpoint import read_checkpoint
from tests.training.runs import Listener, assert_same, new_trainer, resumed

resource = pytest.importorskip("resource")


class Between(Listener):
    """Does something when a run comes to a step, and undoes it later."""

    def __init__(self, begin, do, end, undo):
        super().__init__()
        self.begin, self.do, self.end, self.undo = begin, do, end, undo

    def on_progress(self, progress):
        if progress.step == self.begin:
            self.do()
        if progress.step == self.end:
            self.undo()


@contextlib.contextmanager
def file_limit():
    """Functions that forbid files of more than 4 kB, and allow them again."""
    before, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield (
            lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard)),
            lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (before, hard)),
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (before, hard))


@pytest.fixture
def path(tmp_path):
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder / "m.checkpoint.safetensors"


def check(path, do, undo, reason):
    """A run whose checkpoints of the steps 8 to 15 cannot be written."""
    seen = []
    listener = Between(8, do, 16, undo)
    notices = listener.on_notice

    def on_notice(notice):
        notices(notice)
        if notice.kind == "checkpoint":
            seen.append(None if not path.exists() else read_checkpoint(path).run.step)

    listener.on_notice = on_notice
    trainer = new_trainer(path, every="2 steps", listener=listener)
    result = trainer.fit()
    assert result.reason == "finished"
    *failures, again = [notice.message for notice in listener.notices]
    assert len(failures) == 4
    for step, failure in zip((8, 10, 12, 14), failures, strict=True):
        assert f"no checkpoint at step {step}, that of step 6 stays" in failure
        assert reason in failure
        assert "\n" not in failure
    assert again == "checkpoints are written again, at step 16"
    whole = new_trainer()
    whole.fit()
    assert_same(trainer, whole)
    assert read_checkpoint(path).run.step == 24
    assert list(path.parent.iterdir()) == [path]
    return seen


def test_a_disk_without_room(path):
    with file_limit() as (forbid, allow):
        assert check(path, forbid, allow, "File too large") == [6, 6, 6, 6, 16]


def test_a_folder_that_is_gone_for_a_while(path):
    away = path.parent.with_name("elsewhere")
    seen = check(
        path,
        lambda: path.parent.rename(away),
        lambda: away.rename(path.parent),
        "No such file or directory; make the folder first",
    )
    assert seen == [None, None, None, None, 16]


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="permissions do not bind this user"
)
def test_a_folder_that_turns_read_only(path):
    seen = check(
        path,
        lambda: path.parent.chmod(0o555),
        lambda: path.parent.chmod(0o755),
        "Permission denied; name a folder that you may write to",
    )
    assert seen == [6, 6, 6, 6, 16]


def test_no_room_at_the_end(path):
    """The run is whole, its checkpoint is an older one; it says so."""
    with file_limit() as (forbid, allow):
        listener = Listener()
        trainer = new_trainer(path, every="6 steps", listener=listener)
        run = trainer.engine.run

        def limited(rates):
            if trainer.engine.step >= 6:
                forbid()
            return run(rates)

        trainer.engine.run = limited
        result = trainer.fit()
        allow()
    assert result.reason == "finished"
    assert "no checkpoint at step 24, that of step 6 stays" in listener.notices[-1].message
    trainer = resumed(path)
    assert trainer.engine.step == 6
    trainer.fit()
    whole = new_trainer()
    whole.fit()
    assert_same(trainer, whole)


def test_no_room_for_a_copy_of_the_older_one(path, monkeypatch):
    def no_link(*_):
        raise OSError(95, "not supported")

    monkeypatch.setattr(os, "link", no_link, raising=False)
    listener = Listener()
    trainer = new_trainer(path, every="8 steps", keep=1, listener=listener)
    with file_limit() as (forbid, allow):
        run = trainer.engine.run

        def limited(rates):
            (allow if trainer.engine.step < 8 else forbid)()
            return run(rates)

        trainer.engine.run = limited
        trainer.fit()
        allow()
    assert "cannot keep the checkpoint of step 8" in listener.notices[0].message
    assert read_checkpoint(path).run.step == 8


def test_the_first_checkpoint_cannot_be_written(path):
    with file_limit() as (forbid, allow):
        forbid()
        listener = Listener()
        result = new_trainer(path, every="6 steps", listener=listener).fit()
        allow()
    assert (result.reason, result.checkpoint) == ("finished", None)
    assert "there is none yet" in listener.notices[0].message
    with pytest.raises(ModelFileError, match="there is no checkpoint"):
        resumed(path)
