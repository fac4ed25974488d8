"""The ticket counter: each tile once, phases one after the other, and a way to stop."""

from __future__ import annotations

import itertools
import threading

import numpy as np
import pytest
from numba import config

from fastlm_kernels.jit import kernel
from fastlm_kernels.team import DONE, NEXT, STOP, SYNC_SIZE, add, claim, finish

needs_jit = pytest.mark.skipif(bool(config.DISABLE_JIT), reason="no atomics in plain Python")

WAIT = 30.0  # seconds; only a broken test waits so long


@pytest.fixture
def sync():
    return np.zeros(SYNC_SIZE, dtype=np.int64)


def test_one_thread_gets_all_tickets_in_order(sync):
    tickets = []
    while (ticket := claim(sync, 10, 5, 2)) >= 0:
        tickets.append(ticket)
        finish(sync)
    assert tickets == list(range(10))
    assert sync[NEXT] == sync[DONE] == 10


def test_no_ticket_for_no_work(sync):
    assert claim(sync, 0, 1, 1) == -1


def test_a_stopped_team_gets_no_ticket(sync):
    assert claim(sync, 10, 5, 2) == 0
    sync[STOP] = 1
    assert claim(sync, 10, 5, 2) == -1


def test_the_counters_lie_on_cache_lines_of_their_own():
    places = sorted((NEXT, DONE, STOP))
    assert all(b - a >= 8 for a, b in itertools.pairwise(places))
    assert places[-1] + 8 <= SYNC_SIZE


def claim_in_thread(sync, *phases):
    """(thread that claims one ticket, the list it goes into)"""
    got = []
    thread = threading.Thread(target=lambda: got.append(claim(sync, *phases)), daemon=True)
    thread.start()
    return thread, got


@needs_jit
def test_a_phase_waits_for_all_tiles_before_it(sync):
    assert [claim(sync, 10, 5, 2) for _ in range(2)] == [0, 1]
    finish(sync)
    thread, got = claim_in_thread(sync, 10, 5, 2)
    thread.join(0.1)
    assert not got, "the second phase began while a tile of the first was running"
    finish(sync)
    thread.join(WAIT)
    assert got == [2]
    # Within a phase nobody waits; the next cycle waits for all of this one.
    assert [claim(sync, 10, 5, 2) for _ in range(2)] == [3, 4]
    thread, got = claim_in_thread(sync, 10, 5, 2)
    thread.join(0.1)
    assert not got
    for _ in range(3):
        finish(sync)
    thread.join(WAIT)
    assert got == [5]


@needs_jit
def test_a_stop_reaches_a_waiting_thread(sync):
    assert claim(sync, 2, 2, 1) == 0
    thread, got = claim_in_thread(sync, 2, 2, 1)
    thread.join(0.05)
    assert not got
    sync[STOP] = 1
    thread.join(WAIT)
    assert got == [-1]


@kernel
def drain(order, takers, sync, thread, total, per_cycle, split):
    """Take tickets until none is left; note who ran each and how many were done before it."""
    while True:
        ticket = claim(sync, total, per_cycle, split)
        if ticket < 0:
            return
        order[ticket] = sync[DONE]
        add(takers, ticket, thread)
        finish(sync)


@needs_jit
def test_many_threads_take_each_ticket_once_and_keep_the_phases(sync):
    total, per_cycle, split = 30_000, 6, 4
    done_before = np.full(total, -1, dtype=np.int64)
    takers = np.zeros(total, dtype=np.int64)
    # Powers of a base above the number of claims: the sum says who took a ticket and how often.
    threads = [
        threading.Thread(
            target=drain,
            args=(done_before, takers, sync, np.int64(10**number), total, per_cycle, split),
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
    assert sync[NEXT] == sync[DONE] == total
    tickets = np.arange(total)
    cycle = tickets - tickets % per_cycle
    needed = np.where(tickets % per_cycle < split, cycle, cycle + split)
    assert np.all(done_before >= needed)
