"""The machine: its limits and its description."""

from __future__ import annotations

import importlib.util
import json

import pytest

from fastlm.bench import machine
from fastlm.bench.machine import copy_gbytes, machine_facts, machine_line, sgemm_gflops


def test_rate_is_amount_over_the_median_time(monkeypatch):
    # Calls of 1, 5 and 2 seconds.
    clock = iter([0.0, 1.0, 1.0, 6.0, 6.0, 8.0])
    monkeypatch.setattr(machine.time, "perf_counter", lambda: next(clock))
    assert machine._rate(lambda: None, 10.0, 7.5) == 5.0


@pytest.mark.parametrize("threads", [1, 2])
def test_limits_are_measured(threads):
    assert sgemm_gflops(threads, size=64) > 0
    assert copy_gbytes(threads, 0.0, size=2**16) > 0


def test_the_number_of_blas_threads_is_restored():
    from threadpoolctl import threadpool_info

    def threads():
        return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]

    before = threads()
    sgemm_gflops(1, size=64)
    assert threads() == before


@pytest.mark.parametrize("obeys", [True, False])
def test_limits_on_one_core_and_on_all(monkeypatch, obeys):
    if not obeys:  # threadpoolctl is not there
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        assert sgemm_gflops(2, size=64) > 0
        assert machine_facts()["blas"] == "unknown"
    monkeypatch.setattr(machine, "sgemm_gflops", lambda threads, _: 10.0 * threads)
    monkeypatch.setattr(machine, "copy_gbytes", lambda threads: 1.0 * threads)
    assert machine.machine_limits(4) == {
        "sgemm_gflops": {"one": 10.0 if obeys else None, "all": 40.0},
        "copy_gbytes": {"one": 1.0, "all": 4.0},
    }


def test_facts_name_processor_and_versions():
    facts = machine_facts()
    json.dumps(facts, allow_nan=False)
    assert facts["processor"].strip()
    assert facts["cores"] >= 1
    line = machine_line(facts)
    assert "\n" not in line
    assert "torch" not in machine_line({**facts, "torch": None})
    for name in ("processor", "python", "numpy", "numba", "blas", "threading"):
        assert str(facts[name]) in line
