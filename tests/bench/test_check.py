"""Everybody does the same work; whoever does other work is noticed and named."""

from __future__ import annotations

import dataclasses
from functools import partial

import numpy as np
import pytest

from fastlm.bench.candidates import candidates
from fastlm.bench.check import (
    BenchmarkError,
    check_finite,
    check_first_loss,
    check_same_work,
    check_steps,
)
from fastlm.bench.engine_steps import Engine
from fastlm.bench.implementations import Implementation, Turn
from fastlm.bench.numpy_steps import Numpy
from fastlm.bench.python_steps import PurePython
from fastlm.bench.torch_steps import Torch, torch_is_installed
from fastlm.bench.works import WORKS

from .conftest import CONCAT, MEAN, TINY, small_works

needs_torch = pytest.mark.skipif(not torch_is_installed(), reason="PyTorch is not installed")


def makers(work):
    """One of each, but for the process without JIT, which starts slowly and has its own test."""
    made = {name: make for name, make in candidates(work).items() if name != "nojit"}
    return {**made, "engine-2": lambda: Engine(work, threads=2)}


@small_works
def test_all_do_the_same(work):
    checked = check_same_work(work, [make() for make in makers(work).values()])
    assert all(value > 0 for value in checked.seconds.values())
    check_first_loss(work, [make() for make in makers(work).values()], checked.loss)


# Each a way to do something else that a quick look would miss.
WRONG = {
    "lr": {"lr": CONCAT.lr * 1.01},
    "momentum": {"momentum": 0.89},
    "batch": {"batch": 7},
    "other tokens": {"corpus": 201},
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG.keys())
@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda work: Engine(work, threads=1), id="engine"),
        pytest.param(lambda work: Numpy(work, threads=1), id="numpy"),
        pytest.param(lambda work: Torch(work, threads=1), id="torch", marks=needs_torch),
    ],
)
def test_other_work_is_noticed(make, change):
    other = make(dataclasses.replace(CONCAT, **change))
    with pytest.raises(BenchmarkError, match=f"^small: {other.name} does other work: .* is right"):
        check_same_work(CONCAT, [Engine(CONCAT, threads=1), other])


def test_a_wrong_rate_in_pure_python_is_noticed():
    with pytest.raises(BenchmarkError, match="pure Python does other work"):
        check_same_work(TINY, [PurePython(dataclasses.replace(TINY, lr=2 * TINY.lr))])


class _Spoilt(Implementation):
    """The engine, and then something goes wrong."""

    kind, name, threads = "spoilt", "spoilt", 1

    def __init__(self, spoil_loss=lambda loss: loss, spoil_params=lambda params: params):
        self._engine = Engine(MEAN, threads=1)
        self._spoil_loss, self._spoil_params = spoil_loss, spoil_params

    def run(self, steps):
        return [self._spoil_loss(loss) for loss in self._engine.run(steps)]

    def params(self):
        return self._spoil_params(self._engine.params())


def test_the_spoilt_engine_is_right_where_nothing_is_spoilt():
    check_same_work(MEAN, [_Spoilt()])


@pytest.mark.parametrize(
    "spoil", [lambda loss: loss * 1.001, lambda _: np.nan], ids=["a little", "nan"]
)
def test_a_wrong_loss_is_noticed(spoil):
    right = check_same_work(MEAN, [_Spoilt()]).loss
    for check in (check_same_work, partial(check_first_loss, loss=right)):
        with pytest.raises(BenchmarkError, match="its loss at step 1 is"):
            check(MEAN, [_Spoilt(spoil_loss=spoil)])


def _one_element(params):
    params = params.copy()
    params[5] += 0.01
    return params


@pytest.mark.parametrize(
    "spoil", [_one_element, lambda params: params * np.nan], ids=["one element", "nan"]
)
def test_wrong_weights_are_noticed(spoil):
    with pytest.raises(BenchmarkError, match="embeddings moved by"):
        check_same_work(MEAN, [_Spoilt(spoil_params=spoil)])


def test_large_works_are_checked_for_fewer_steps():
    assert {work.name for work in WORKS if check_steps(work) == 2} >= {"10k-1024", "33k-1024"}
    assert check_steps(CONCAT) == 5


def test_a_timed_loss_that_is_no_number_is_noticed():
    check_finite(CONCAT, "someone", Turn(3, 0.1, 2.5))
    with pytest.raises(BenchmarkError, match="someone reached a loss of nan within 3 timed steps"):
        check_finite(CONCAT, "someone", Turn(3, 0.1, float("nan")))
