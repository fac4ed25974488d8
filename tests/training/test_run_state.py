"""The state of a run: its running means, its JSON form, its details."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlm.callbacks import Validation
from fastlm.errors import ModelFileError
from fastlm.training.run_state import RunningMean, RunState


def validation(step, loss, best):
    return Validation(
        step=step, epoch=step / 10, elapsed=1.5, loss=loss, perplexity=math.exp(loss),
        train_loss=math.nan, best=best,
    )  # fmt: skip


def run():
    state = RunState(step=20, seconds=2.5, rate_factor=0.5, recent_loss=(3.0, 2.0), rows=4)
    state.rollbacks = [{"step": 9, "back_to": 5, "cause": "nan", "rate_factor": 0.5}]
    state.since_row = RunningMean(4.5, 3)
    for item in (validation(10, 2.0, True), validation(15, 2.5, False), validation(20, 2.1, False)):
        state.add_validation(item)
    return state


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=50), st.data())
def test_a_running_mean_does_not_depend_on_how_steps_are_grouped(losses, data):
    whole = RunningMean().add(np.array(losses))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(losses)), max_size=5)))
    parts = RunningMean()
    for part in np.split(np.array(losses), cuts):
        parts = parts.add(part)
    assert parts == whole
    assert whole.value == pytest.approx(math.fsum(losses) / len(losses), abs=1e-4)


def test_the_mean_of_nothing_is_nan():
    assert math.isnan(RunningMean().value)


def test_validations_are_counted_since_the_best():
    state = run()
    assert (state.best, state.bad_validations) == (0, 2)
    assert state.best_validation is state.history[0]
    state.add_validation(validation(25, 1.9, True))
    assert (state.best, state.bad_validations) == (3, 0)
    assert RunState().best_validation is None


def test_a_copy_shares_nothing_that_changes():
    state = run()
    copy = state.copy()
    state.add_validation(validation(25, 1.9, True))
    state.rollbacks.append({})
    assert (len(copy.history), len(copy.rollbacks), copy.best) == (3, 1, 0)


def test_the_json_form_and_back():
    state = run()
    form = json.loads(json.dumps(state.to_dict(), allow_nan=False))
    again = RunState.from_dict(form)
    assert again.to_dict() == state.to_dict()
    assert again.since_row == state.since_row
    assert isinstance(again.since_row, RunningMean)
    assert math.isnan(again.last_loss)


def test_the_keys_of_the_json_form_are_those_of_format_1():
    """Files like it are on people's disks."""
    assert list(RunState().to_dict()) == [
        "step", "seconds", "training_seconds", "history", "best", "bad_validations",
        "rate_factor", "rollbacks", "since_validation", "since_row", "recent", "usual",
        "last_loss", "rows",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"step": -1}, "step"),
        ({"best": 3}, "its best validation is 3 of 3"),
        ({"rate_factor": 0}, "its rate_factor is 0, not in 0 to 1"),
        ({"rate_factor": 2.0}, "its rate_factor is 2.0, not in 0 to 1"),
        ({"since_row": [1.0]}, "since_row"),
        ({"history": [{}]}, "validation 0"),
        ({"rollbacks": [{"step": 1}]}, "rollback"),
        ({"odd": 1}, "odd"),
    ],
)
def test_what_no_run_can_have_written(change, message):
    with pytest.raises(ModelFileError, match=message):
        RunState.from_dict(json.loads(json.dumps(run().to_dict())) | change)


def test_details_are_facts_for_people():
    details = run().details(2.0, "ten letters", "finished")
    assert json.loads(json.dumps(details, allow_nan=False)) == details
    assert (details["reason"], details["corpus"], details["epoch"]) == (
        "finished",
        "ten letters",
        2,
    )
    assert (details["valid_loss"], details["best_step"]) == (2.0, 10)
    assert [item["valid_loss"] for item in details["history"]] == [2.0, 2.5, 2.1]
    assert details["history"][0]["train_loss"] is None
    assert details["rollbacks"] == run().rollbacks
    assert "valid_loss" not in RunState().details(0.0, "", "running")
