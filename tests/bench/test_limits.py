"""The machine's limits where BLAS cannot be told how many threads to use."""

from __future__ import annotations

import importlib.util

import pytest

from fastlm.bench import limits
from fastlm.bench.limits import blas_obeys, sgemm_gflops
from fastlm.bench.machine import machine_facts, machine_limits


@pytest.fixture
def without_threadpoolctl(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


@pytest.mark.usefixtures("without_threadpoolctl")
def test_one_core_is_unknown(monkeypatch):
    monkeypatch.setattr("fastlm.bench.machine.copy_gbytes", lambda threads, seconds: 1.0)
    monkeypatch.setattr(limits, "_SGEMM_SIZE", 64)
    found = machine_limits(2, 0.0)["sgemm_gflops"]
    assert found["one"] is None
    assert found["all"] > 0
    assert machine_facts()["blas"] == "unknown"


@pytest.mark.usefixtures("without_threadpoolctl")
def test_sgemm_is_measured_all_the_same():
    assert not blas_obeys()
    assert sgemm_gflops(2, 0.0, size=64) > 0
