"""Threads that start together end up on processors of their own (``fastlm.engine.parallel``)."""

import os
import sys
import threading

import pytest

from fastlm.engine import parallel as placement
from fastlm.engine.parallel import Placement

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="threads are moved on Linux only")


def test_a_thread_leaves_a_processor_that_is_taken(monkeypatch):
    places = iter([2, 2, 5])
    asked = []
    monkeypatch.setattr(placement, "_READ", lambda: next(places))
    monkeypatch.setattr(os, "sched_getaffinity", lambda thread: {2, 5, 7})
    monkeypatch.setattr(os, "sched_setaffinity", lambda thread, where: asked.append(set(where)))
    team = Placement()
    team.settle()
    assert asked == []
    team.settle()  # beside the first: it goes, and may then be moved anywhere again
    assert asked == [{5, 7}, {2, 5, 7}]


def test_more_threads_than_processors_stay(monkeypatch):
    asked = []
    monkeypatch.setattr(placement, "_READ", lambda: 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda thread: {0})
    monkeypatch.setattr(os, "sched_setaffinity", lambda thread, where: asked.append(where))
    team = Placement()
    for _ in range(3):
        team.settle()
    assert asked == []


@pytest.mark.parametrize("call", ["sched_getaffinity", "sched_setaffinity"])
def test_a_sandbox_that_forbids_it_is_no_error(monkeypatch, call):
    def forbidden(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(placement, "_READ", lambda: 0)
    monkeypatch.setattr(os, "sched_getaffinity", lambda thread: {0, 1})
    monkeypatch.setattr(os, "sched_setaffinity", lambda thread, where: None)
    monkeypatch.setattr(os, call, forbidden)
    team = Placement()
    team.settle()
    team.settle()


def test_a_system_without_a_way_to_tell_is_left_alone(monkeypatch):
    monkeypatch.setattr(placement, "_READ", None)
    Placement().settle()


@pytest.mark.skipif(placement._READ is None, reason="this C library does not tell the processor")
def test_threads_of_this_machine_get_processors_of_their_own():
    allowed = os.sched_getaffinity(0)
    if len(allowed) < 2:
        pytest.skip("one processor")
    team = Placement()
    team._taken = {min(allowed)}
    seen = []

    def start():
        os.sched_setaffinity(0, {min(allowed)})  # it begins where another one is
        os.sched_setaffinity(0, allowed)
        team.settle()
        seen.append((placement._READ(), os.sched_getaffinity(0)))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()
    (where, may_go), *_ = seen
    assert where != min(allowed)
    assert may_go == allowed
    assert os.sched_getaffinity(0) == allowed
