"""The ticket counter: each tile once, phases one after the other, and a way to stop."""

from __future__ import annotations

import itertools
import sys
import threading
import time

import numpy as np
import pytest
from numba import config

from fastlm_kernels.runtime import scheduler
from fastlm_kernels.runtime.jit import kernel
from fastlm_kernels.runtime.scheduler import (
    BACKOFF_FACTOR,
    BACKS_OFF,
    DONE,
    NEXT,
    OFF_CPU,
    PRIVATE_SIZE,
    SHARED_SIZE,
    SLEEP_TIME,
    STOP,
    WAITED_FOR,
    WAKE_TIME,
    Worker,
    atomic_add,
    next_tile,
    tile_done,
)

needs_jit = pytest.mark.skipif(bool(config.DISABLE_JIT), reason="no atomics in plain Python")

# Where phases begin, and how many tickets a cycle has.
FIVE = np.array([0, 2, 2, 5], dtype=np.int64)
ONE_BY_ONE = np.array([0, 1, 2], dtype=np.int64)
HUNDRED = np.array([0, 100], dtype=np.int64)

WAIT = 30.0  # seconds; only a broken test waits so long


def worker_of(shared):
    """Return a worker with the shared counters and a private row of its own."""
    return Worker(shared, np.zeros(PRIVATE_SIZE, dtype=np.int64))


@pytest.fixture
def worker():
    return worker_of(np.zeros(SHARED_SIZE, dtype=np.int64))


def test_one_thread_gets_all_tickets_in_order(worker):
    tickets = []
    while (ticket := next_tile(worker, 10, FIVE)) >= 0:
        tickets.append(ticket)
        tile_done(worker)
    assert tickets == list(range(10))
    assert worker.shared[NEXT] == worker.shared[DONE] == 10


def test_no_ticket_for_no_work(worker):
    assert next_tile(worker, 0, ONE_BY_ONE) == -1


def test_a_stopped_call_gives_no_ticket(worker):
    assert next_tile(worker, 10, FIVE) == 0
    worker.shared[STOP] = 1
    assert next_tile(worker, 10, FIVE) == -1


def test_the_counters_lie_on_cache_lines_of_their_own():
    places = sorted((NEXT, DONE, STOP, WAITED_FOR))
    assert all(b - a >= 8 for a, b in itertools.pairwise(places))
    assert places[-1] + 8 <= SHARED_SIZE


def take_in_thread(worker, total, phases):
    """(thread that takes one ticket, the list it goes into)"""
    got = []
    thread = threading.Thread(
        target=lambda: got.append(next_tile(worker_of(worker.shared), total, phases)), daemon=True
    )
    thread.start()
    return thread, got


@needs_jit
def test_a_phase_waits_for_all_tiles_before_it(worker):
    assert [next_tile(worker, 10, FIVE) for _ in range(2)] == [0, 1]
    tile_done(worker)
    thread, got = take_in_thread(worker, 10, FIVE)
    thread.join(0.1)
    assert not got, "the second phase began while a tile of the first was running"
    tile_done(worker)
    thread.join(WAIT)
    assert got == [2]
    # Within a phase nobody waits; the next cycle waits for all of this one.
    assert [next_tile(worker, 10, FIVE) for _ in range(2)] == [3, 4]
    thread, got = take_in_thread(worker, 10, FIVE)
    thread.join(0.1)
    assert not got
    for _ in range(3):
        tile_done(worker)
    thread.join(WAIT)
    assert got == [5]


@needs_jit
def test_a_stop_reaches_a_waiting_thread(worker):
    assert next_tile(worker, 2, ONE_BY_ONE) == 0
    thread, got = take_in_thread(worker, 2, ONE_BY_ONE)
    thread.join(0.05)
    assert not got
    worker.shared[STOP] = 1
    thread.join(WAIT)
    assert got == [-1]


@kernel
def drain(order, takers, worker, thread, total, phases):
    """Take tickets until none is left; note who ran each and how many were done before it."""
    while True:
        ticket = next_tile(worker, total, phases)
        if ticket < 0:
            return
        order[ticket] = worker.shared[DONE]
        atomic_add(takers, ticket, thread)
        tile_done(worker)


@needs_jit
def test_many_threads_take_each_ticket_once_and_keep_the_phases(worker):
    total = 30_000
    phases = np.array([0, 3, 3, 5, 6], dtype=np.int64)
    done_before = np.full(total, -1, dtype=np.int64)
    takers = np.zeros(total, dtype=np.int64)
    # Powers of a base above the number of claims: the sum says who took a ticket and how often.
    threads = [
        threading.Thread(
            target=drain,
            args=(
                done_before,
                takers,
                worker_of(worker.shared),
                np.int64(10**number),
                total,
                phases,
            ),
            daemon=True,
        )
        for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
        assert not thread.is_alive()
    assert set(takers.tolist()) <= {1, 10, 100, 1000}
    assert worker.shared[NEXT] == worker.shared[DONE] == total
    tickets = np.arange(total)
    nth = tickets % 6
    needed = tickets - nth + np.select([nth >= 5, nth >= 3], [5, 3])
    assert np.all(done_before >= needed)


# ---------------------------------------------------------------------------- backing off

MILLISECOND = 1_000_000

needs_clock = pytest.mark.skipif(
    bool(config.DISABLE_JIT) or sys.platform == "win32", reason="no thread's own time here"
)


def set_absence(worker, milliseconds):
    """Pretend that the thread was off its processor since its last check, while another waited."""
    worker.private[OFF_CPU] = scheduler.off_cpu_nanoseconds() - milliseconds * MILLISECOND
    worker.shared[WAITED_FOR] = 1


@needs_clock
def test_a_thread_that_was_away_while_others_waited_sleeps_longer_each_time(worker):
    next_tile(worker, 100, HUNDRED)
    lengths = []
    for _ in range(9):
        set_absence(worker, 5)
        tile_done(worker)
        assert worker.private[BACKS_OFF] == 1
        lengths.append(worker.private[SLEEP_TIME] / MILLISECOND / 5)
    assert lengths == pytest.approx([1, 2, 4, 8, 16, 32, 50, 50, 50], rel=0.3)
    assert worker.private[WAKE_TIME] == pytest.approx(
        scheduler.nanoseconds() + worker.private[SLEEP_TIME], abs=1e8
    )


@needs_clock
def test_the_back_off_starts_again_after_a_while_without_absence(worker):
    worker.private[BACKOFF_FACTOR], worker.private[SLEEP_TIME] = 32, 5 * MILLISECOND
    worker.private[WAKE_TIME] = scheduler.nanoseconds() - 21 * MILLISECOND
    set_absence(worker, 5)
    tile_done(worker)
    assert worker.private[BACKOFF_FACTOR] == 1


@needs_clock
@pytest.mark.parametrize(("waited_for", "milliseconds"), [(0, 50), (1, -10_000)])
def test_no_sleep_without_absence_or_without_a_waiting_thread(worker, waited_for, milliseconds):
    set_absence(worker, milliseconds)
    worker.shared[WAITED_FOR] = waited_for
    tile_done(worker)
    assert worker.private[BACKS_OFF] == 0


@needs_clock
def test_a_sleeper_takes_no_ticket_before_its_time(worker):
    worker.private[BACKS_OFF], worker.private[WAKE_TIME] = (
        1,
        scheduler.nanoseconds() + 50 * MILLISECOND,
    )
    assert next_tile(worker, 100, HUNDRED) == 0
    assert scheduler.nanoseconds() >= worker.private[WAKE_TIME]
    assert worker.private[BACKS_OFF] == 0


@needs_clock
@pytest.mark.parametrize("place", [STOP, NEXT])
def test_a_sleeper_wakes_when_there_is_no_more_to_do_and_sleeps_on_in_the_next_call(worker, place):
    worker.private[BACKS_OFF], worker.private[WAKE_TIME] = (
        1,
        scheduler.nanoseconds() + 60_000 * MILLISECOND,
    )
    thread = threading.Thread(target=next_tile, args=(worker, 100, HUNDRED), daemon=True)
    thread.start()
    thread.join(0.02)
    assert thread.is_alive()
    worker.shared[place] = 100
    thread.join(WAIT)
    assert not thread.is_alive()
    assert worker.private[BACKS_OFF] == 1


@needs_clock
def test_a_long_wait_is_noticed_and_forgotten_when_it_ends(worker):
    next_tile(worker, 2, ONE_BY_ONE)
    thread, got = take_in_thread(worker, 2, ONE_BY_ONE)
    deadline = time.monotonic() + WAIT
    while not worker.shared[WAITED_FOR]:
        assert time.monotonic() < deadline
    tile_done(worker)
    thread.join(WAIT)
    assert got == [1]
    assert worker.shared[WAITED_FOR] == 0


@needs_clock
def test_the_clocks_are_those_of_the_system():
    before = time.monotonic_ns() if sys.platform == "linux" else 0
    now = scheduler.nanoseconds()
    assert now >= before
    away = scheduler.off_cpu_nanoseconds()
    time.sleep(0.02)
    assert 15 * MILLISECOND <= scheduler.off_cpu_nanoseconds() - away <= 60_000 * MILLISECOND
