"""The reference systems as implementations: batches in their order, again and again."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.bench import implementations
from fastlm.bench.reference_steps import Numpy, PurePython
from fastlm.bench.workloads import initial_params

from .conftest import CONCAT, TINY


@pytest.mark.parametrize(
    ("make", "workload"), [(PurePython, TINY), (lambda each: Numpy(each, 1), CONCAT)]
)
def test_steps_go_on_past_the_ready_batches_and_restart_begins_again(make, workload, monkeypatch):
    monkeypatch.setattr(implementations, "_READY_EXAMPLES", 1)
    implementations.ready_batches.cache_clear()
    implementation = make(workload)
    start = implementation.params()
    np.testing.assert_allclose(start, initial_params(workload), atol=1e-7)
    losses = [*implementation.run(16), *implementation.run(17)]  # 16 are ready
    assert np.isfinite(losses).all()
    assert not np.array_equal(implementation.params(), start)
    implementation.restart()
    np.testing.assert_array_equal(implementation.params(), start)
    assert [*implementation.run(33)] == losses
    implementations.ready_batches.cache_clear()
