"""The parts of a checkpoint file: what no run can have written is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fastlm.errors import ModelFileError
from fastlm.model.layout import Layout
from fastlm.training.checkpoint_parts import (
    check_params,
    read_corpus,
    read_intervals,
    read_snapshot,
    with_prefix,
)
from fastlm.training.run_state import RunState
from tests.training.runs import MODEL

LAYOUT = Layout(MODEL)
PARAMS = np.zeros(LAYOUT.size, dtype=np.float32)


def test_tensors_by_prefix():
    tensors = {"state.a": PARAMS, "state.good.a": PARAMS, "b": PARAMS}
    assert set(with_prefix("state.", tensors)) == {"a", "good.a"}


def test_params_are_float32_of_the_layout_and_finite():
    check_params("p", PARAMS, LAYOUT)
    bad = PARAMS.copy()
    bad[1] = np.nan
    for params in (None, PARAMS[:-1], PARAMS.astype(np.float64), bad):
        with pytest.raises(ModelFileError, match=r"^p is not|^p holds"):
            check_params("p", params, LAYOUT)


def test_a_snapshot_lies_before_its_run():
    form = json.loads(json.dumps(RunState(step=4).to_dict()))
    arrays = {"params": PARAMS, "row_steps": np.zeros(3)}
    assert read_snapshot(LAYOUT, {}, None, RunState(step=4), PARAMS) is None
    good = read_snapshot(LAYOUT, arrays, form, RunState(step=5), PARAMS)
    assert (good.run.step, set(good.arrays), good.best) == (4, set(arrays), None)
    with pytest.raises(ModelFileError, match="step 4, not before 4"):
        read_snapshot(LAYOUT, arrays, form, RunState(step=4), PARAMS)
    with pytest.raises(ModelFileError, match=r"state\.good\.params"):
        read_snapshot(LAYOUT, {}, form, RunState(step=5), PARAMS)


@pytest.mark.parametrize("form", [1, {}, {"every": 60, "keep": 1}, {"every": "60s", "keep": -1}])
def test_intervals_that_no_run_writes(form):
    assert read_intervals({"every": "60s", "keep": 2}) == {"every": "60s", "keep": 2}
    with pytest.raises(ModelFileError):
        read_intervals(form)


def test_a_corpus_needs_its_identity():
    part = {"tokens": 3, "fingerprint": "ab"}
    corpus = {"train": part, "valid": None, "description": "", "recipe": None}
    assert read_corpus(corpus) == corpus
    with pytest.raises(ModelFileError, match="its valid corpus"):
        read_corpus(corpus | {"valid": {"tokens": 3}})
