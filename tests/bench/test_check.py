"""Implementations that do other work than the oracle are detected and named."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from fastlm.bench.check import BenchmarkError, check_finite, check_same_work, check_steps
from fastlm.bench.contestants import contestants
from fastlm.bench.engine_steps import Engine
from fastlm.bench.implementations import Implementation, TimedRun
from fastlm.bench.reference_steps import Numpy, PurePython
from fastlm.bench.torch_steps import Torch
from fastlm.bench.workloads import WORKLOADS

from .conftest import (
    CONCAT,
    MEAN,
    TINY,
    jax_in_its_process,
    needs_jax,
    needs_torch,
    small_workloads,
)


@small_workloads
def test_all_do_the_same_from_the_start_and_after_a_restart(workload):
    # The process without JIT starts slowly; test_other_process checks it.
    made = [make() for name, make in contestants(workload).items() if name != "nojit"]
    made.append(Engine(workload, threads=2))
    seconds = check_same_work(workload, made)
    assert all(value > 0 for value in seconds.values())
    for implementation in made:
        implementation.restart()
    check_same_work(workload, made)
    for implementation in made:
        implementation.close()


@pytest.mark.parametrize(
    "change", [{"lr": CONCAT.lr * 1.01}, {"momentum": 0.89}, {"batch": 7}, {"corpus": 201}], ids=str
)
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda workload: Engine(workload, threads=1), id="engine"),
        pytest.param(lambda workload: Numpy(workload, threads=1), id="numpy"),
        pytest.param(lambda workload: Torch(workload, threads=1), id="torch", marks=needs_torch),
        pytest.param(jax_in_its_process, id="jax", marks=needs_jax),
    ],
)
def test_other_work_is_detected(make, change):
    other = make(dataclasses.replace(CONCAT, **change))
    message = f"^small: {other.name} does other work: .* is right"
    with other, pytest.raises(BenchmarkError, match=message):
        check_same_work(CONCAT, [Engine(CONCAT, threads=1), other])


def test_a_wrong_rate_in_pure_python_is_detected():
    with pytest.raises(BenchmarkError, match="pure Python does other work"):
        check_same_work(TINY, [PurePython(dataclasses.replace(TINY, lr=2 * TINY.lr))])


class _Spoilt(Implementation):
    """The engine, with changed losses or weights."""

    kind, name, threads = "spoilt", "spoilt", 1

    def __init__(self, spoil_loss=lambda loss: loss, spoil_params=lambda params: params):
        self._engine = Engine(MEAN, threads=1)
        self._spoil_loss, self._spoil_params = spoil_loss, spoil_params

    def run(self, steps):
        return [self._spoil_loss(loss) for loss in self._engine.run(steps)]

    def params(self):
        return self._spoil_params(self._engine.params())

    def restart(self):
        self._engine.restart()


def _one_element(params):
    params = params.copy()
    params[5] += 0.01
    return params


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ({"spoil_loss": lambda loss: loss * 1.001}, "its loss at step 1 is"),
        ({"spoil_loss": lambda _: np.nan}, "its loss at step 1 is"),
        ({"spoil_params": _one_element}, "embeddings moved by"),
        ({"spoil_params": lambda params: params * np.nan}, "embeddings moved by"),
    ],
)
def test_spoilt_results_are_detected(spoil, message):
    check_same_work(MEAN, [_Spoilt()])  # right where nothing is spoilt
    with pytest.raises(BenchmarkError, match=message):
        check_same_work(MEAN, [_Spoilt(**spoil)])


def test_large_workloads_are_checked_for_fewer_steps():
    assert {each.name for each in WORKLOADS if check_steps(each) == 2} >= {"10k-1024", "33k-1024"}
    assert check_steps(CONCAT) == 5


def test_a_timed_loss_that_is_no_number_is_detected():
    check_finite(CONCAT, "someone", TimedRun(3, 0.1, 2.5))
    with pytest.raises(BenchmarkError, match="someone reached a loss of nan within 3 timed steps"):
        check_finite(CONCAT, "someone", TimedRun(3, 0.1, float("nan")))
