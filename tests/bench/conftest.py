"""Small works, and a result as a run would give it."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fastlm.bench.measure import figure, ratio
from fastlm.bench.works import Work

SCRIPTS = Path(__file__).resolve().parents[2] / "bench"

CONCAT = Work(
    name="small",
    title="Small, batch 8",
    vocab=20,
    embed=4,
    context=3,
    hidden=(8, 6),
    batch=8,
    lr=0.5,
    corpus=200,
)
MEAN = dataclasses.replace(CONCAT, hidden=(), combine="mean", bias=False, momentum=0.0)
TINY = dataclasses.replace(MEAN, name="small-tiny", batch=1)
WORKS = {
    "two hidden layers": CONCAT,
    "one hidden layer": dataclasses.replace(CONCAT, hidden=(8,)),
    "linear, batch of one": dataclasses.replace(CONCAT, hidden=(), batch=1),
    "mean": MEAN,
    "mean, hidden": dataclasses.replace(CONCAT, combine="mean"),
    "tiny": TINY,
    # PyTorch leaves a cluster of which a batch has no example as it is; ours moves by its momentum.
    "adaptive": dataclasses.replace(CONCAT, cutoffs=(5, 12), zipf=True, batch=64),
}

small_works = pytest.mark.parametrize("work", WORKS.values(), ids=WORKS.keys())


def script(name: str) -> ModuleType:
    """A program of the folder bench/, as a module."""
    spec = importlib.util.spec_from_file_location(f"bench_{name}", SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def make_row(kind: str, name: str, threads: int, rates: list[float], ours: list[float]) -> dict:
    return {
        "kind": kind,
        "name": name,
        "threads": threads,
        "tokens_per_second": dataclasses.asdict(figure(rates)),
        "slower_than_fastlm": dataclasses.asdict(ratio(ours, rates)),
        "sgemm_share": dataclasses.asdict(ratio(rates, [1e6] * len(rates))),
        "first_step_seconds": 0.5,
    }


def make_result() -> dict[str, Any]:
    """Two works: PyTorch is fastest with one thread in the first, absent from the second."""
    ours = [400_000.0, 410_000.0, 391_000.0]
    one = [220_000.0, 225_000.0, 215_000.0]
    works = [
        {
            **dataclasses.asdict(CONCAT),
            "hidden": [8, 6],
            "cutoffs": [],
            "name": "mini-256",
            "title": "Mini, batch 256",
            "flops_per_token": 1000.0,
            "checked_steps": 5,
            "rounds": {"measured": 4, "clean": 3},
            "sgemm_gflops": {},
            "rows": [
                make_row("numpy", "NumPy", 2, [50_000.0, 51_000.0, 49_000.0], ours),
                make_row("torch", "PyTorch, 1 thread", 1, [200_000.0] * 3, ours),
                make_row("torch", "PyTorch, 2 threads", 2, [100_000.0] * 3, ours),
                make_row("engine", "fastlm, 1 thread", 1, one, ours),
                make_row("engine", "fastlm, 2 threads", 2, ours, ours),
            ],
        },
        {
            **dataclasses.asdict(TINY),
            "hidden": [],
            "cutoffs": [],
            "name": "tiny-1",
            "title": "Tiny, batch 1",
            "flops_per_token": 10.0,
            "checked_steps": 5,
            "rounds": {"measured": 4, "clean": 3},
            "sgemm_gflops": {},
            "rows": [
                make_row("python", "pure Python", 1, [2_000.0] * 3, [900_000.0] * 3),
                make_row("engine", "fastlm, 1 thread", 1, [900_000.0] * 3, [900_000.0] * 3),
            ],
        },
    ]
    return {
        "format": 3,
        "quick": False,
        "machine": {
            "processor": "Abacus 9",
            "cores": 2,
            "system": "Linux x86_64",
            "python": "3.11.7",
            "fastlm": "0.1.0",
            "numpy": "2.4.6",
            "numba": "0.68.1",
            "torch": None,
            "blas": "openblas 0.3",
            "threading": "own",
        },
        "limits": {
            "sgemm_gflops": {"one": 105.0, "all": 208.0},
            "copy_gbytes": {"one": 20.0, "all": 31.5},
        },
        "start": {
            "cold": {"import": 0.3, "first_step": 9.0, "total": 9.5},
            "warm": {"import": 0.3, "first_step": 0.2, "total": 0.7},
        },
        "works": works,
        "notes": ["something was left out"],
    }


@pytest.fixture
def result() -> dict[str, Any]:
    return make_result()
