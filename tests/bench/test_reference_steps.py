"""The reference systems as implementations: batches in their order, again and again."""

from __future__ import annotations

import pytest

from fastlm.bench import implementations
from fastlm.bench.reference_steps import Numpy, PurePython

from .conftest import CONCAT, TINY, assert_restarts


@pytest.mark.parametrize(
    ("make", "workload"), [(PurePython, TINY), (lambda each: Numpy(each, 1), CONCAT)]
)
def test_steps_go_on_past_the_ready_batches_and_restart_begins_again(make, workload, monkeypatch):
    monkeypatch.setattr(implementations, "_READY_EXAMPLES", 1)
    implementations.ready_batches.cache_clear()
    assert_restarts(make(workload), workload)  # 33 steps, and 16 batches are ready
    implementations.ready_batches.cache_clear()
