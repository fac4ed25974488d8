"""Benchmarks of training steps, of every workload by every implementation.

`fastlm bench` measures the same in alternating rounds, with ratios; here pytest-benchmark keeps its
own records.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fastlm.bench.check import check_same_work
from fastlm.bench.contestants import contestants
from fastlm.bench.implementations import Implementation
from fastlm.bench.measure import steps_for
from fastlm.bench.torch_steps import can_compile
from fastlm.bench.workloads import WORKLOADS, Workload

RUN_SECONDS = 0.2  # of a timed run
LARGE = 2e9  # FLOP of a step that the smoke test skips

MAKERS = [
    pytest.param(workload, make, id=f"{workload.name}-{name}")
    for workload in WORKLOADS
    for name, make in contestants(workload, torch_compile=can_compile()).items()
]


@pytest.fixture
def implementation(workload: Workload, make, smoke: bool, request) -> Iterator[Implementation]:
    """An implementation that has passed the check against the oracle."""
    if smoke and workload.flops_per_token * workload.batch > LARGE:
        pytest.skip("takes seconds to check; runs where benchmarks are timed")
    if smoke and request.node.callspec.id.endswith("torch-compile"):
        pytest.skip("compiles for half a minute; runs where benchmarks are timed")
    with make() as ready:
        check_same_work(workload, [ready])
        yield ready


@pytest.mark.parametrize(("workload", "make"), MAKERS)
def test_training(benchmark, implementation: Implementation, workload: Workload, smoke: bool):
    steps = 1 if smoke else steps_for(implementation, RUN_SECONDS)
    benchmark.group = workload.title
    benchmark.extra_info |= {"tokens": steps * workload.batch, "threads": implementation.threads}
    benchmark.pedantic(implementation.run, args=(steps,), rounds=5, warmup_rounds=1)
