"""The engine, and its kernels without JIT in another process."""

from __future__ import annotations

import pytest

from fastlm.bench.check import check_same_work
from fastlm.bench.engine_steps import Engine, WithoutJit, ends_without_jit
from fastlm.bench.workloads import WORKLOADS
from fastlm.errors import FastlmError

from .conftest import CONCAT


@pytest.mark.parametrize(("threads", "name"), [(1, "fastlm, 1 thread"), (2, "fastlm, 2 threads")])
def test_name_and_threads(threads, name):
    engine = Engine(CONCAT, threads)
    assert (engine.threads, engine.name) == (threads, name)


def test_without_jit_it_does_the_same_work_again_and_ends():
    with WithoutJit(CONCAT) as implementation:
        check_same_work(CONCAT, [implementation])
        implementation.restart()
        check_same_work(CONCAT, [implementation])
        timed = implementation.timed_run(2)
        assert timed.steps == 2
        assert timed.seconds > 0
    assert implementation._process.returncode == 0


def test_a_process_that_ends_early_is_an_error():
    with WithoutJit(CONCAT) as implementation:
        implementation._process.kill()
        implementation._process.wait()
        with pytest.raises(FastlmError, match="the process without JIT ended with code"):
            implementation.run(1)


def test_only_small_workloads_end_without_jit():
    names = [each.name for each in WORKLOADS if ends_without_jit(each)]
    assert names == ["tiny-1", "tiny-256", "mini-1"]
