"""The ticket counter: each tile once, phases one after the other, and a way to stop."""

from __future__ import annotations

import itertools
import sys
import threading
import time

import numpy as np
import pytest
from numba import config

from fastlm_kernels.runtime import scheduler as clocks
from fastlm_kernels.runtime.jit import kernel
from fastlm_kernels.runtime.scheduler import (
    AWAY,
    DONE,
    LENGTH,
    MISSED,
    NEXT,
    OWN_SIZE,
    PATIENCE,
    RESTS,
    STOP,
    SYNC_SIZE,
    UNTIL,
    Team,
    add,
    claim,
    finish,
)

needs_jit = pytest.mark.skipif(bool(config.DISABLE_JIT), reason="no atomics in plain Python")

# Where phases begin, and how many tickets a cycle has.
FIVE = np.array([0, 2, 2, 5], dtype=np.int64)
ONE_BY_ONE = np.array([0, 1, 2], dtype=np.int64)
HUNDRED = np.array([0, 100], dtype=np.int64)

WAIT = 30.0  # seconds; only a broken test waits so long


def member(sync):
    """One thread's view of the team."""
    return Team(sync, np.zeros(OWN_SIZE, dtype=np.int64))


@pytest.fixture
def team():
    return member(np.zeros(SYNC_SIZE, dtype=np.int64))


def test_one_thread_gets_all_tickets_in_order(team):
    tickets = []
    while (ticket := claim(team, 10, FIVE)) >= 0:
        tickets.append(ticket)
        finish(team)
    assert tickets == list(range(10))
    assert team.sync[NEXT] == team.sync[DONE] == 10


def test_no_ticket_for_no_work(team):
    assert claim(team, 0, ONE_BY_ONE) == -1


def test_a_stopped_team_gets_no_ticket(team):
    assert claim(team, 10, FIVE) == 0
    team.sync[STOP] = 1
    assert claim(team, 10, FIVE) == -1


def test_the_counters_lie_on_cache_lines_of_their_own():
    places = sorted((NEXT, DONE, STOP, MISSED))
    assert all(b - a >= 8 for a, b in itertools.pairwise(places))
    assert places[-1] + 8 <= SYNC_SIZE


def claim_in_thread(team, total, phases):
    """(thread that claims one ticket, the list it goes into)"""
    got = []
    thread = threading.Thread(
        target=lambda: got.append(claim(member(team.sync), total, phases)), daemon=True
    )
    thread.start()
    return thread, got


@needs_jit
def test_a_phase_waits_for_all_tiles_before_it(team):
    assert [claim(team, 10, FIVE) for _ in range(2)] == [0, 1]
    finish(team)
    thread, got = claim_in_thread(team, 10, FIVE)
    thread.join(0.1)
    assert not got, "the second phase began while a tile of the first was running"
    finish(team)
    thread.join(WAIT)
    assert got == [2]
    # Within a phase nobody waits; the next cycle waits for all of this one.
    assert [claim(team, 10, FIVE) for _ in range(2)] == [3, 4]
    thread, got = claim_in_thread(team, 10, FIVE)
    thread.join(0.1)
    assert not got
    for _ in range(3):
        finish(team)
    thread.join(WAIT)
    assert got == [5]


@needs_jit
def test_a_stop_reaches_a_waiting_thread(team):
    assert claim(team, 2, ONE_BY_ONE) == 0
    thread, got = claim_in_thread(team, 2, ONE_BY_ONE)
    thread.join(0.05)
    assert not got
    team.sync[STOP] = 1
    thread.join(WAIT)
    assert got == [-1]


@kernel
def drain(order, takers, team, thread, total, phases):
    """Take tickets until none is left; note who ran each and how many were done before it."""
    while True:
        ticket = claim(team, total, phases)
        if ticket < 0:
            return
        order[ticket] = team.sync[DONE]
        add(takers, ticket, thread)
        finish(team)


@needs_jit
def test_many_threads_take_each_ticket_once_and_keep_the_phases(team):
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
                member(team.sync),
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
    assert team.sync[NEXT] == team.sync[DONE] == total
    tickets = np.arange(total)
    nth = tickets % 6
    needed = tickets - nth + np.select([nth >= 5, nth >= 3], [5, 3])
    assert np.all(done_before >= needed)


# ---------------------------------------------------------------------------- put aside

MILLISECOND = 1_000_000

needs_clock = pytest.mark.skipif(
    bool(config.DISABLE_JIT) or sys.platform == "win32", reason="no thread's own time here"
)


def put_aside(team, milliseconds):
    """As if the thread had not run for so long since its last look, while another waited."""
    team.own[AWAY] = clocks.nanoseconds_away() - milliseconds * MILLISECOND
    team.sync[MISSED] = 1


@needs_clock
def test_who_was_put_aside_while_others_waited_sleeps_for_longer_each_time(team):
    claim(team, 100, HUNDRED)
    lengths = []
    for _ in range(9):
        put_aside(team, 5)
        finish(team)
        assert team.own[RESTS] == 1
        lengths.append(team.own[LENGTH] / MILLISECOND / 5)
    assert lengths == pytest.approx([1, 2, 4, 8, 16, 32, 50, 50, 50], rel=0.3)
    assert team.own[UNTIL] == pytest.approx(clocks.nanoseconds() + team.own[LENGTH], abs=1e8)


@needs_clock
def test_patience_begins_anew_when_it_has_not_happened_for_a_while(team):
    team.own[PATIENCE], team.own[LENGTH] = 32, 5 * MILLISECOND
    team.own[UNTIL] = clocks.nanoseconds() - 21 * MILLISECOND
    put_aside(team, 5)
    finish(team)
    assert team.own[PATIENCE] == 1


@needs_clock
@pytest.mark.parametrize(("missed", "milliseconds"), [(0, 50), (1, -10_000)])
def test_who_is_not_missed_or_was_not_away_does_not_sleep(team, missed, milliseconds):
    put_aside(team, milliseconds)
    team.sync[MISSED] = missed
    finish(team)
    assert team.own[RESTS] == 0


@needs_clock
def test_a_sleeper_takes_no_ticket_before_its_time(team):
    team.own[RESTS], team.own[UNTIL] = 1, clocks.nanoseconds() + 50 * MILLISECOND
    assert claim(team, 100, HUNDRED) == 0
    assert clocks.nanoseconds() >= team.own[UNTIL]
    assert team.own[RESTS] == 0


@needs_clock
@pytest.mark.parametrize("place", [STOP, NEXT])
def test_a_sleeper_wakes_when_there_is_no_more_to_do_and_sleeps_on_in_the_next_call(team, place):
    team.own[RESTS], team.own[UNTIL] = 1, clocks.nanoseconds() + 60_000 * MILLISECOND
    thread = threading.Thread(target=claim, args=(team, 100, HUNDRED), daemon=True)
    thread.start()
    thread.join(0.02)
    assert thread.is_alive()
    team.sync[place] = 100
    thread.join(WAIT)
    assert not thread.is_alive()
    assert team.own[RESTS] == 1


@needs_clock
def test_a_long_wait_is_noticed_and_forgotten_when_it_ends(team):
    claim(team, 2, ONE_BY_ONE)
    thread, got = claim_in_thread(team, 2, ONE_BY_ONE)
    deadline = time.monotonic() + WAIT
    while not team.sync[MISSED]:
        assert time.monotonic() < deadline
    finish(team)
    thread.join(WAIT)
    assert got == [1]
    assert team.sync[MISSED] == 0


@needs_clock
def test_the_clocks_are_those_of_the_system():
    before = time.monotonic_ns() if sys.platform == "linux" else 0
    now = clocks.nanoseconds()
    assert now >= before
    away = clocks.nanoseconds_away()
    time.sleep(0.02)
    assert 15 * MILLISECOND <= clocks.nanoseconds_away() - away <= 60_000 * MILLISECOND
