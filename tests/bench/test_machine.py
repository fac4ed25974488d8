"""The machine: its limits and its description."""

from __future__ import annotations

import json

import pytest

from fastlm.bench import limits
from fastlm.bench.limits import copy_gbytes, sgemm_gflops
from fastlm.bench.machine import machine_facts, machine_limits, machine_line


def test_rate_is_amount_over_the_median_time(monkeypatch):
    # Calls of 1, 5 and 2 seconds.
    clock = iter([0.0, 1.0, 1.0, 6.0, 6.0, 8.0])
    monkeypatch.setattr(limits.time, "perf_counter", lambda: next(clock))
    assert limits._rate(lambda: None, 10.0, 7.5) == 5.0


@pytest.mark.parametrize("threads", [1, 2])
def test_limits_are_measured(threads):
    assert sgemm_gflops(threads, 0.0, size=64) > 0
    assert copy_gbytes(threads, 0.0, size=2**16) > 0


def test_the_number_of_blas_threads_is_restored():
    from threadpoolctl import threadpool_info

    def threads():
        return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]

    before = threads()
    sgemm_gflops(1, 0.0, size=64)
    assert threads() == before


def test_limits_on_one_core_and_on_all(monkeypatch):
    monkeypatch.setattr("fastlm.bench.machine.sgemm_gflops", lambda threads, _: 10.0 * threads)
    monkeypatch.setattr("fastlm.bench.machine.copy_gbytes", lambda threads, _: 1.0 * threads)
    assert machine_limits(4, 0.0) == {
        "sgemm_gflops": {"one": 10.0, "all": 40.0},
        "copy_gbytes": {"one": 1.0, "all": 4.0},
    }


def test_facts_name_what_counts():
    facts = machine_facts()
    json.dumps(facts, allow_nan=False)
    assert facts["processor"].strip()
    assert facts["cores"] >= 1
    line = machine_line(facts)
    assert "\n" not in line
    for name in ("processor", "python", "numpy", "numba", "blas", "threading"):
        assert str(facts[name]) in line


def test_what_is_not_installed_is_not_in_the_line():
    line = machine_line({**machine_facts(), "torch": None})
    assert "torch" not in line
