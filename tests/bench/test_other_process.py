"""Implementations in another process: the same work, errors, and processes used again."""

from __future__ import annotations

from collections import defaultdict
from functools import partial

import pytest

from fastlm.bench import other_process
from fastlm.bench.check import check_same_work
from fastlm.bench.engine_steps import PlainKernels
from fastlm.bench.other_process import OtherProcess
from fastlm.errors import FastlmError

from .conftest import CONCAT, MEAN


@pytest.fixture(autouse=True)
def no_idle_processes(monkeypatch):
    monkeypatch.setattr(other_process, "_idle", defaultdict(list))
    yield
    other_process._end_idle()


def plain_kernels(workload) -> OtherProcess:
    return OtherProcess(partial(PlainKernels, workload), {"NUMBA_DISABLE_JIT": "1"})


def test_a_process_does_the_same_work_again_then_that_of_the_next_workload_and_ends():
    with plain_kernels(CONCAT) as implementation:
        assert (implementation.kind, implementation.name) == ("nojit", "fastlm, JIT off")
        check_same_work(CONCAT, [implementation])
        implementation.restart()
        check_same_work(CONCAT, [implementation])
        timed = implementation.timed_run(2)
        assert timed.steps == 2
        assert timed.seconds > 0
    with plain_kernels(MEAN) as other:
        assert other._process is implementation._process
        check_same_work(MEAN, [other])
    other_process._end_idle()
    assert other._process.returncode == 0


def test_a_process_that_ends_early_is_an_error():
    with plain_kernels(CONCAT) as implementation:
        implementation._process.kill()
        implementation._process.wait()
        with pytest.raises(FastlmError, match="the process with NUMBA_DISABLE_JIT=1 ended with"):
            implementation.run(1)
    assert not any(other_process._idle.values())
