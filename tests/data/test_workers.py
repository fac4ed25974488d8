"""Work on a stream with a few threads."""

from __future__ import annotations

import threading

import pytest

from fastlm.data.workers import ObjectPool, map_in_order, prefetch
from fastlm.errors import StoreError


def test_results_come_in_order():
    turn = threading.Barrier(2)

    def work(job):
        turn.wait(5)
        return job * job

    assert list(map_in_order(work, range(10), 2)) == [n * n for n in range(10)]


def test_jobs_are_made_no_faster_than_they_are_done():
    made = []

    def jobs():
        for number in range(100):
            made.append(number)
            yield number

    results = map_in_order(lambda job: job, jobs(), 2)
    next(results)
    assert len(made) <= 4
    results.close()


@pytest.mark.parametrize("size", [1, 3, 100])
def test_reading_ahead_changes_nothing(size):
    assert list(prefetch(iter(range(10)), size, lambda item: item)) == list(range(10))


def test_reading_ahead_is_bounded_and_raises_after_what_was_read():
    made = []

    def items():
        for number in range(1, 100):
            made.append(number)
            yield number
            if number == 50:
                raise StoreError("no")

    ahead = prefetch(items(), 4, lambda item: 1)
    assert next(ahead) == 1
    ahead.close()
    assert len(made) <= 8
    done = []
    with pytest.raises(StoreError, match="no"):
        done.extend(prefetch(items(), 4, lambda item: 1))
    assert done == list(range(1, 51))


def test_what_work_raises_ends_it():
    def work(job):
        if job == 3:
            raise StoreError("no")
        return job

    done = []
    with pytest.raises(StoreError, match="no"):
        done.extend(map_in_order(work, range(1000), 2))


def test_an_object_is_lent_to_one_at_a_time():
    pool = ObjectPool(list)
    with pool.borrow() as first, pool.borrow() as second:
        assert first is not second
    with pool.borrow() as again:
        assert again in (first, second)
    assert len(pool.all) == 2
