"""Small workloads, and a result as a run would give it."""

from __future__ import annotations

import dataclasses
from functools import partial
from typing import Any

import numpy as np
import pytest

from fastlm.bench.implementations import Implementation, is_installed
from fastlm.bench.jax_steps import Jax, threads_environment
from fastlm.bench.measure import figure, ratio
from fastlm.bench.other_process import OtherProcess
from fastlm.bench.workloads import Workload, initial_params

CONCAT = Workload(
    name="small", title="Small, batch 8", vocab=20, embed=4, context=3, hidden=(8, 6), batch=8,
    lr=0.5, corpus=200,
)  # fmt: skip
MEAN = dataclasses.replace(CONCAT, hidden=(), combine="mean", bias=False, momentum=0.0)
TINY = dataclasses.replace(MEAN, name="small-tiny", batch=1)
SMALL = {
    "two hidden layers": CONCAT,
    "one hidden layer": dataclasses.replace(CONCAT, hidden=(8,)),
    "linear, batch of one": dataclasses.replace(CONCAT, hidden=(), batch=1),
    "mean": MEAN,
    "mean, hidden": dataclasses.replace(CONCAT, combine="mean"),
    "tiny": TINY,
    # PyTorch skips a cluster without examples in the batch; fastlm moves it by its momentum.
    "adaptive": dataclasses.replace(CONCAT, cutoffs=(5, 12), zipf=True, batch=64),
}

needs_torch = pytest.mark.skipif(not is_installed("torch"), reason="PyTorch is not installed")
needs_jax = pytest.mark.skipif(not is_installed("jax"), reason="JAX is not installed")


def jax_in_its_process(workload: Workload, threads: int = 1) -> OtherProcess:
    return OtherProcess(partial(Jax, workload, threads), threads_environment(threads))


def assert_restarts(implementation: Implementation, workload: Workload) -> None:
    """It starts at the initial weights, and a restart gives the same again."""
    np.testing.assert_allclose(implementation.params(), initial_params(workload), atol=1e-7)
    start = implementation.params()
    losses = [*implementation.run(16), *implementation.run(17)]
    assert np.isfinite(losses).all()
    assert not np.array_equal(implementation.params(), start)
    implementation.restart()
    np.testing.assert_array_equal(implementation.params(), start)
    assert [*implementation.run(33)] == losses


small_workloads = pytest.mark.parametrize("workload", SMALL.values(), ids=SMALL.keys())


def _row(kind: str, name: str, threads: int, rates: list[float], ours: list[float]) -> dict:
    return {
        "kind": kind, "name": name, "threads": threads,
        "tokens_per_second": dataclasses.asdict(figure(rates)),
        "slower_than_fastlm": dataclasses.asdict(ratio(ours, rates)),
        "sgemm_share": dataclasses.asdict(ratio(rates, [1e6] * len(rates))),
        "first_step_seconds": 0.5,
    }  # fmt: skip


def _workload(workload: Workload, name: str, title: str, rows: list[dict]) -> dict:
    return {
        **dataclasses.asdict(workload),
        "hidden": list(workload.hidden), "cutoffs": [], "name": name, "title": title,
        "flops_per_token": workload.flops_per_token, "checked_steps": 5,
        "sgemm_gflops": {"2": dataclasses.asdict(figure([200.0, 210.0, 190.0]))},
        "best_peer": "JAX, 2 threads" if len(rows) > 2 else "pure Python", "rows": rows,
    }  # fmt: skip


def make_result() -> dict[str, Any]:
    """Return two workloads: PyTorch has its best rate on one thread, JAX is the best peer of the
    first, and neither does the second."""
    ours = [400_000.0, 410_000.0, 391_000.0]
    mini = [
        _row("numpy", "NumPy", 2, [50_000.0, 51_000.0, 49_000.0], ours),
        _row("torch", "PyTorch, 1 thread", 1, [200_000.0] * 3, ours),
        _row("torch", "PyTorch, 2 threads", 2, [100_000.0] * 3, ours),
        _row("jax", "JAX, 2 threads", 2, [250_000.0] * 3, ours),
        _row("engine", "fastlm, 1 thread", 1, [220_000.0, 225_000.0, 215_000.0], ours),
        _row("engine", "fastlm, 2 threads", 2, ours, ours),
    ]
    tiny = [
        _row("python", "pure Python", 1, [2_000.0] * 3, [900_000.0] * 3),
        _row("engine", "fastlm, 1 thread", 1, [900_000.0] * 3, [900_000.0] * 3),
    ]
    return {
        "format": 4,
        "quick": False,
        "machine": {
            "processor": "Abacus 9", "cores": 2, "system": "Linux x86_64", "python": "3.11.7",
            "fastlm": "0.1.0", "numpy": "2.4.6", "numba": "0.68.1", "torch": None,
            "blas": "openblas 0.3", "threading": "own",
        },
        "limits": {
            "sgemm_gflops": {"one": 105.0, "all": 208.0},
            "copy_gbytes": {"one": 20.0, "all": 31.5},
        },
        "start": {
            "cold": {"import": 0.3, "first_step": 9.0, "total": 9.5},
            "warm": {"import": 0.3, "first_step": 0.2, "total": 0.7},
        },
        "workloads": [
            _workload(CONCAT, "mini-256", "Mini, batch 256", mini),
            _workload(TINY, "tiny-1", "Tiny, batch 1", tiny),
        ],
        "notes": ["something was left out"],
    }  # fmt: skip


@pytest.fixture
def result() -> dict[str, Any]:
    return make_result()
