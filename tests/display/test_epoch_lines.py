"""The founding form of a report: which epochs have a line, and of what steps it is the mean."""

from __future__ import annotations

import pytest

from fastlm.callbacks import Progress, Start
from fastlm.config import ModelConfig, TrainingConfig
from fastlm.display.epoch_lines import EpochLines

STEPS = 4  # of an epoch


def lines(init: str = "tiny", step: int = 0, every: int = 2) -> EpochLines:
    training = TrainingConfig(batch=1, init=init, epochs=10)
    return EpochLines(Start(ModelConfig(vocab=27), training, 9, 9, 0, 40, 1, False, step), every)


def progress(step: int, loss: float) -> Progress:
    return Progress(step, 40, step / STEPS, 10.0, step / 40, loss, 0.05, 1.0, 1.0, 1.0)


def test_a_line_has_the_mean_over_the_steps_of_its_epoch():
    found = lines()
    assert found.add(progress(4, 9.0)) is None  # the first epoch is not an even one
    assert found.add(progress(5, 1.0)) is None
    assert found.add(progress(8, 2.0)) == "Epoch 2/10, Average Loss: 1.7500"
    assert found.add(progress(12, 9.0)) is None
    assert found.add(progress(16, 0.5)) == "Epoch 4/10, Average Loss: 0.5000"
    assert found.lines == 2


def test_other_runs_have_none():
    found = lines("scaled")
    assert [found.add(progress(step, 1.0)) for step in (4, 8)] == [None, None]
    assert not found.shown


@pytest.mark.parametrize("begin", [5, 6])
def test_an_epoch_of_which_a_part_ran_before_has_no_line(begin):
    found = lines(step=begin)
    assert found.add(progress(8, 1.0)) is None
    assert found.add(progress(12, 1.0)) is None
    assert found.add(progress(16, 3.0)) == "Epoch 4/10, Average Loss: 3.0000"


def test_an_epoch_in_which_training_went_back_has_no_line():
    found = lines()
    assert found.add(progress(6, 1.0)) is None
    assert found.add(progress(5, 1.0)) is None
    assert found.add(progress(8, 1.0)) is None
    assert found.add(progress(12, 1.0)) is None
    assert found.add(progress(16, 2.0)) == "Epoch 4/10, Average Loss: 2.0000"
