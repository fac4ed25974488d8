"""Files that callbacks write: CSV, which Python's own reader reads, and TensorBoard."""

from __future__ import annotations

import csv
import sys
from types import SimpleNamespace

import pytest

import fastlm
from fastlm.errors import ConfigError, MissingLibraryError
from fastlm.training.run_logs import CSVLogger, TensorBoard

TEXT = "the cat sat on the mat and the dog lay down beside it\n" * 30
SETTINGS = {"context": 3, "embed": 3, "hidden": (4,), "batch": 16, "threads": 1}


def rows(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_csv_has_a_row_for_each_validation(tmp_path):
    path = tmp_path / "run.csv"
    lm = fastlm.train(
        TEXT, valid=0.2, steps=60, valid_every=0.2, callbacks=CSVLogger(path), **SETTINGS
    )
    found = rows(path)
    assert list(found[0]) == [
        "step", "epoch", "seconds", "loss", "lr", "tokens_per_second", "valid_loss", "perplexity",
    ]  # fmt: skip
    validations = [row for row in found if row["valid_loss"]]
    assert [int(row["step"]) for row in validations] == [one.step for one in lm.history]
    for row, one in zip(validations, lm.history, strict=True):
        assert float(row["valid_loss"]) == pytest.approx(one.loss, rel=1e-5)
        assert float(row["loss"]) == pytest.approx(one.train_loss, rel=1e-5)
    # Another run begins the file anew.
    fastlm.train(TEXT, valid=0, steps=10, callbacks=CSVLogger(path), **SETTINGS)
    (row,) = rows(path)
    assert row["step"] == "10"
    assert row["valid_loss"] == ""


def test_a_resumed_run_adds_to_its_file(tmp_path):
    path, checkpoint = tmp_path / "run.csv", tmp_path / "c"
    settings = SETTINGS | {"valid": 0, "checkpoint": checkpoint}
    fastlm.train(TEXT, steps=10, callbacks=CSVLogger(path), **settings)
    fastlm.train(texts=[TEXT], steps=20, resume=True, callbacks=CSVLogger(path), valid=0,
                 checkpoint=checkpoint)  # fmt: skip
    assert [row["step"] for row in rows(path)] == ["10", "20"]


def test_a_file_of_another_kind_is_not_overwritten(tmp_path):
    path = tmp_path / "corpus.csv"
    path.write_text("text,label\nthe cat,1\n")
    with pytest.raises(ConfigError, match="does not hold the rows of a run, so it is not over"):
        CSVLogger(path)
    assert path.read_text() == "text,label\nthe cat,1\n"
    missing = CSVLogger(tmp_path / "missing" / "run.csv")
    with pytest.raises(ConfigError, match="cannot write"):
        fastlm.train(TEXT, steps=2, callbacks=missing, **SETTINGS)


def test_tensorboard_gets_the_losses(tmp_path, monkeypatch):
    written, closed = {}, []

    class SummaryWriter:
        def __init__(self, logdir):
            assert logdir == str(tmp_path)

        def add_scalar(self, name, value, step):
            written.setdefault(name, []).append((step, value))

        def close(self):
            closed.append(self)

    monkeypatch.setitem(sys.modules, "tensorboardX", SimpleNamespace(SummaryWriter=SummaryWriter))
    lm = fastlm.train(TEXT, valid=0.2, steps=20, callbacks=TensorBoard(tmp_path), **SETTINGS)
    assert written["loss/valid"] == [(one.step, one.loss) for one in lm.history]
    assert written["perplexity"][-1] == (20, lm.history[-1].perplexity)
    assert written["loss/train"][-1][0] == 20
    assert written["learning rate"]
    assert len(closed) == 1


def test_without_its_library_the_remedy_is_told(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(MissingLibraryError, match="install it with: pip install tensorboardX"):
        TensorBoard(tmp_path)
