"""What every implementation shares: timed runs, and batches made ahead of time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fastlm.bench import implementations
from fastlm.bench.reference_steps import Numpy
from fastlm.bench.workloads import batches

from .conftest import CONCAT


def test_a_timed_run_has_the_wall_time_and_the_last_loss(monkeypatch):
    clock = iter([10.0, 12.5])
    monkeypatch.setattr(implementations.time, "perf_counter", lambda: next(clock))
    timed = Numpy(CONCAT, threads=1).timed_run(3)
    assert (timed.steps, timed.seconds) == (3, 2.5)
    assert timed.loss == Numpy(CONCAT, threads=1).run(3)[-1]


@pytest.mark.parametrize(("batch", "count"), [(8, 2048), (1024, 16), (4096, 16)])
def test_ready_batches_are_the_first_ones(batch, count):
    workload = replace(CONCAT, batch=batch)
    ready = implementations.ready_batches(workload)
    assert [each.shape[:2] for each in ready] == [(count, batch)] * 2
    for found, expected in zip(ready, batches(workload, 1), strict=True):
        np.testing.assert_array_equal(found[:1], expected)
