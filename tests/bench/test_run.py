"""A whole benchmark on workloads that take no time."""

from __future__ import annotations

import dataclasses
import json

import pytest

from fastlm.bench import run
from fastlm.bench.measure import Settings
from fastlm.errors import ConfigError
from fastlm_kernels.runtime.jit import JIT_DISABLED

from .conftest import CONCAT, TINY

STEADY = {"low": 90.0, "median": 100.0, "high": 110.0}
SHORT = Settings(rounds=3, run_seconds=0.001)

needs_jit = pytest.mark.skipif(JIT_DISABLED, reason="a benchmark needs the compiler")


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """No sgemm, no memory traffic, neither PyTorch nor JAX."""
    monkeypatch.setattr(run, "machine_limits", lambda cores: {"sgemm_gflops": {}})
    monkeypatch.setattr("fastlm.bench.measure.sgemm_gflops", lambda threads: 100.0)
    monkeypatch.setattr("fastlm.bench.contestants.is_installed", lambda package: False)


@needs_jit
def test_result_holds_what_was_measured():
    said = []
    result = run.run_benchmark([CONCAT, TINY], SHORT, say=said.append)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert said[-2:] == [CONCAT.title, TINY.title]
    assert result["start"] is None
    assert [each["name"] for each in result["workloads"]] == ["small", "small-tiny"]
    kinds = [[row["kind"] for row in each["rows"]] for each in result["workloads"]]
    assert kinds == [["nojit", "numpy", "engine"], ["python", "nojit", "engine"]]
    assert [each["best_peer"] for each in result["workloads"]] == ["NumPy", "pure Python"]
    for workload in result["workloads"]:
        ours = workload["rows"][-1]["tokens_per_second"]["rounds"]
        for row in workload["rows"]:
            rates = row["tokens_per_second"]["rounds"]
            assert len(rates) == 3
            assert min(rates) > 0
            assert row["slower_than_fastlm"]["rounds"] == [
                a / b for a, b in zip(ours, rates, strict=True)
            ]
            assert row["sgemm_share"]["rounds"] == pytest.approx(
                [rate * workload["flops_per_token"] / 100e9 for rate in rates]
            )
            assert row["first_step_seconds"] > 0


@needs_jit
def test_without_threadpoolctl_one_thread_has_no_share(monkeypatch):
    monkeypatch.setattr(run, "blas_obeys", lambda: False)
    result = run.run_benchmark([TINY], SHORT)
    cores = result["machine"]["cores"]
    shares = {row["threads"]: row["sgemm_share"] for row in result["workloads"][0]["rows"]}
    assert all((share is None) == (threads != cores) for threads, share in shares.items())
    assert any("pip install threadpoolctl" in note for note in result["notes"])


@needs_jit
def test_what_is_missing_is_noted(monkeypatch):
    monkeypatch.setattr(run, "can_compile", lambda: False)
    assert run.run_benchmark([], SHORT, torch_compile=True)["notes"] == [
        "not installed: PyTorch, JAX; pip install torch jax",
        "torch.compile is left out: there is no C++ compiler",
    ]


@needs_jit
def test_out_of_time_leaves_the_rest_out():
    result = run.run_benchmark([CONCAT, TINY], dataclasses.replace(SHORT, budget=0.0))
    assert result["workloads"] == []
    assert result["quick"]
    assert "small, small-tiny; --rounds measures them all" in result["notes"][-1]


@needs_jit
@pytest.mark.parametrize("kind", ["engine", "numpy"])
def test_only_compiling_does_not_count_as_time(monkeypatch, kind):
    first = {"kind": kind, "first_step_seconds": 60.0, "tokens_per_second": STEADY}
    clock = iter([0.0, 1.0, 62.0])  # the beginning, and before each workload
    monkeypatch.setattr(run.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(run, "_measure", lambda *_: {"name": "x", "rows": [first]})
    settings = dataclasses.replace(SHORT, budget=40.0)
    found = run.run_benchmark([CONCAT, TINY], settings)["workloads"]
    assert len(found) == (2 if kind == "engine" else 1)


@needs_jit
def test_rough_figures_are_noted(monkeypatch):
    def measure(workload, *_):
        rates = [STEADY, {**STEADY, "high": 160.0} if workload is TINY else STEADY]
        rows = [{"kind": "x", "tokens_per_second": rate} for rate in rates]
        return {"name": workload.name, "rows": rows}

    monkeypatch.setattr(run, "_measure", measure)
    note = run.run_benchmark([CONCAT, TINY], SHORT)["notes"][-1]
    assert note.startswith("spread above 30%, figures are rough: small-tiny; measure again")


@needs_jit
def test_start_is_measured_where_it_is_wanted(monkeypatch):
    monkeypatch.setattr(run, "measure_start", lambda: {"cold": {}, "warm": {}})
    result = run.run_benchmark([], run.settings_for(1, start=True))
    assert result["start"] == {"cold": {}, "warm": {}}


def test_without_jit_there_is_nothing_to_measure(monkeypatch):
    monkeypatch.setattr(run, "JIT_DISABLED", True)
    with pytest.raises(ConfigError, match="NUMBA_DISABLE_JIT is set"):
        run.run_benchmark([CONCAT], SHORT)


def test_a_number_of_rounds_has_no_time_limit():
    assert run.settings_for(None, start=True) is run.DEFAULT
    settings = run.settings_for(7, start=False)
    assert (settings.rounds, settings.budget, settings.start) == (7, None, False)
    with pytest.raises(ConfigError, match="rounds is 0; give a whole number of at least 1"):
        run.settings_for(0, start=True)
