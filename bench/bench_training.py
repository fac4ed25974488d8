"""A training step of every size, by everybody who can do it.

`fastlm bench` measures the same in turns, with ratios; here pytest-benchmark keeps its own records.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fastlm.bench.candidates import candidates
from fastlm.bench.check import check_same_work
from fastlm.bench.implementations import Implementation
from fastlm.bench.measure import steps_for
from fastlm.bench.torch_steps import can_compile
from fastlm.bench.works import WORKS, Work

TURN_SECONDS = 0.2
LARGE = 2e9  # FLOP a step

MAKERS = [
    pytest.param(work, make, id=f"{work.name}-{name}")
    for work in WORKS
    for name, make in candidates(work, torch_compile=can_compile()).items()
]


@pytest.fixture
def implementation(work: Work, make, smoke: bool, request) -> Iterator[Implementation]:
    """Ready to be timed: it has shown that it does the right work."""
    if smoke and work.flops_per_token * work.batch > LARGE:
        pytest.skip("takes seconds to check; runs where benchmarks are timed")
    if smoke and request.node.callspec.id.endswith("torch-compile"):
        pytest.skip("compiles for half a minute; runs where benchmarks are timed")
    with make() as ready:
        check_same_work(work, [ready])
        yield ready


@pytest.mark.parametrize(("work", "make"), MAKERS)
def test_training(benchmark, implementation: Implementation, work: Work, smoke: bool):
    steps = 1 if smoke else steps_for(implementation, TURN_SECONDS)
    benchmark.group = work.title
    benchmark.extra_info |= {"tokens": steps * work.batch, "threads": implementation.threads}
    benchmark.pedantic(implementation.run, args=(steps,), rounds=5, warmup_rounds=1)
