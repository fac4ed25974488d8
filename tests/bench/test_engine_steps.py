"""The engine as an implementation; test_other_process runs its kernels without JIT."""

from __future__ import annotations

import pytest

from fastlm.bench.engine_steps import Engine, PlainKernels, ends_without_jit
from fastlm.bench.workloads import WORKLOADS

from .conftest import CONCAT


@pytest.mark.parametrize(("threads", "name"), [(1, "fastlm, 1 thread"), (2, "fastlm, 2 threads")])
def test_name_and_threads(threads, name):
    engine = Engine(CONCAT, threads)
    assert (engine.threads, engine.name) == (threads, name)
    assert PlainKernels(CONCAT).name == "fastlm, JIT off"


def test_only_small_workloads_end_without_jit():
    names = [each.name for each in WORKLOADS if ends_without_jit(each)]
    assert names == ["tiny-1", "tiny-256", "mini-1"]
