"""The kernels in a process of their own, not compiled."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.bench.check import check_same_work
from fastlm.bench.without_jit import WithoutJit, ends_without_jit
from fastlm.bench.works import WORKS
from fastlm.errors import FastlmError

from .conftest import CONCAT


def test_does_the_same_work_and_ends():
    with WithoutJit(CONCAT) as implementation:
        check_same_work(CONCAT, [implementation])
        turn = implementation.turn(2)
        assert turn.steps == 2
        assert turn.seconds > 0
        assert np.isfinite(turn.loss)
    assert implementation._process.returncode == 0


def test_a_process_that_ends_early_is_an_error():
    with WithoutJit(CONCAT) as implementation:
        implementation._process.kill()
        implementation._process.wait()
        with pytest.raises(FastlmError, match="the process without JIT ended with code"):
            implementation.run(1)


def test_only_small_works():
    assert [work.name for work in WORKS if ends_without_jit(work)] == [
        "tiny-1",
        "tiny-256",
        "mini-1",
    ]
