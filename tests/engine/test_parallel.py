"""Kernel calls on several threads: each runs once, errors reach the caller, processors differ."""

from __future__ import annotations

import os
import sys
import threading
import time

import numpy as np
import pytest

from fastlm.config import ModelConfig, TrainingConfig
from fastlm.engine import parallel
from fastlm.engine.losses import position_losses
from fastlm.engine.parallel import Placement, run_parallel
from fastlm.engine.training import TrainingEngine
from fastlm.model.initialization import scaled_params
from fastlm_kernels.runtime.jit import JIT_DISABLED
from fastlm_kernels.runtime.scheduler import SHARED_SIZE, STOP, next_tile, tile_done

TWO_PHASES = np.array([0, 1, 2], dtype=np.int64)

needs_jit = pytest.mark.skipif(JIT_DISABLED, reason="without JIT a call has one thread")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="threads are moved on Linux only")


@on_linux
def test_a_thread_leaves_a_processor_that_is_taken(monkeypatch):
    places = iter([2, 2, 5])
    asked = []
    monkeypatch.setattr(parallel, "_current_processor", lambda: next(places))
    monkeypatch.setattr(os, "sched_getaffinity", lambda thread: {2, 5, 7})
    monkeypatch.setattr(os, "sched_setaffinity", lambda thread, where: asked.append(set(where)))
    placement = Placement()
    placement.move_to_free_processor()
    assert asked == []
    placement.move_to_free_processor()  # taken: it moves, then may go anywhere again
    assert asked == [{5, 7}, {2, 5, 7}]


@on_linux
def test_more_threads_than_processors_stay(monkeypatch):
    asked = []
    monkeypatch.setattr(parallel, "_current_processor", lambda: 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda thread: {0})
    monkeypatch.setattr(os, "sched_setaffinity", lambda thread, where: asked.append(where))
    placement = Placement()
    for _ in range(3):
        placement.move_to_free_processor()
    assert asked == []


@on_linux
@pytest.mark.parametrize("call", ["sched_getaffinity", "sched_setaffinity"])
def test_a_sandbox_that_forbids_it_is_no_error(monkeypatch, call):
    def forbidden(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(parallel, "_current_processor", lambda: 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda thread: {0, 1})
    monkeypatch.setattr(os, "sched_setaffinity", lambda thread, where: None)
    monkeypatch.setattr(os, call, forbidden)
    placement = Placement()
    placement.move_to_free_processor()
    placement.move_to_free_processor()


@on_linux
def test_a_system_without_a_way_to_tell_is_left_alone(monkeypatch):
    monkeypatch.setattr(parallel, "_current_processor", None)
    Placement().move_to_free_processor()


@on_linux
@pytest.mark.skipif(
    parallel._current_processor is None, reason="this C library does not tell the processor"
)
def test_threads_of_this_machine_get_processors_of_their_own():
    allowed = os.sched_getaffinity(0)
    if len(allowed) < 2:
        pytest.skip("one processor")
    placement = Placement()
    placement._taken = {min(allowed)}
    seen = []

    def start():
        os.sched_setaffinity(0, {min(allowed)})  # it begins where another one is
        os.sched_setaffinity(0, allowed)
        placement.move_to_free_processor()
        seen.append((parallel._current_processor(), os.sched_getaffinity(0)))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    (where, may_go), *_ = seen
    assert where != min(allowed)
    assert may_go == allowed
    assert os.sched_getaffinity(0) == allowed


# ---------------------------------------------------------------------------- BLAS


@pytest.mark.thorough
def test_training_and_scoring_leave_the_blas_setting_alone():
    """Of the program around us, whose NumPy may use as many threads as it likes."""
    threadpoolctl = pytest.importorskip("threadpoolctl")
    np.ones((2, 2)) @ np.ones((2, 2))

    def blas_threads():
        return {info["filepath"]: info["num_threads"] for info in threadpoolctl.threadpool_info()}

    model = ModelConfig(vocab=9, context=2, embed=3, hidden=(4,))
    params = scaled_params(model, 0)
    engine = TrainingEngine(model, TrainingConfig(batch=4), np.arange(30) % 9, params)
    engine.threads = 2
    for limit in (1, 2):
        with threadpoolctl.threadpool_limits(limit):
            before = blas_threads()
            engine.run(np.full(2, 0.1))
            engine.gradient()
            position_losses(params, model, engine.tokens, 2, 30, threads=2)
            with pytest.raises(RuntimeError, match="on purpose"):
                run_parallel(2, fail, lambda index, worker: (index, worker))
            # Compiling may bring in a library that was not there.
            assert before.items() <= blas_threads().items()


# ---------------------------------------------------------------------------- threads


def fail(*arguments):
    raise RuntimeError("on purpose")


@needs_jit
def test_every_call_runs_once_in_a_thread_of_its_own():
    calls = []

    def call(index, worker):
        calls.append((index, threading.get_ident(), worker.shared.size, int(worker.shared.sum())))
        time.sleep(0.02)  # so that no thread's ident is used again

    run_parallel(4, call, lambda index, worker: (index, worker))
    assert sorted(index for index, *_ in calls) == [0, 1, 2, 3]
    assert len({ident for _, ident, *_ in calls}) == 4
    assert (0, threading.get_ident(), SHARED_SIZE, 0) in calls


def test_a_single_call_runs_in_the_calling_thread():
    seen = []
    run_parallel(1, lambda: seen.append(threading.get_ident()), lambda index, worker: ())
    assert seen == [threading.get_ident()]


def work(index, worker, failing):
    """Take tiles as a kernel does; the failing call dies while holding one."""
    if index == failing:
        next_tile(worker, 100, TWO_PHASES)
        raise ValueError(f"call {index} failed")
    while (ticket := next_tile(worker, 100, TWO_PHASES)) >= 0:
        time.sleep(0.001)
        tile_done(worker)
    assert ticket == -1


@needs_jit
@pytest.mark.parametrize("failing", [0, 1, 2])
def test_an_error_in_any_thread_reaches_the_caller_and_none_hangs(failing):
    """The others wait for the tile that the failed one holds: only the stop can free them."""
    outcome = []

    def call():
        try:
            run_parallel(3, work, lambda index, worker: (index, worker, failing))
        except ValueError as error:
            outcome.append(str(error))

    # In a thread of its own, so that a hang fails this test instead of stopping all of them.
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(30)
    assert outcome == [f"call {failing} failed"]
    assert [t.name for t in threading.enumerate() if t.name.startswith("fastlm-")] == []


@needs_jit
def test_an_error_in_the_arguments_of_a_helper_reaches_the_caller():
    def arguments(index, worker):
        if index == 1:
            raise MemoryError("no scratch for call 1")
        return (index, worker, -1)

    with pytest.raises(MemoryError, match="no scratch for call 1"):
        run_parallel(2, work, arguments)


def test_the_stop_flag_is_set_for_the_others():
    counters = []
    with pytest.raises(RuntimeError, match="on purpose"):
        run_parallel(1, fail, lambda index, worker: (counters.append(worker.shared),))
    assert counters[0][STOP] == 1
