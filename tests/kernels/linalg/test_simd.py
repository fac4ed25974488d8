"""Vector blocks: the rows they work on, and products by the blocks of other processors."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import numpy as np
import pytest

from fastlm_kernels.linalg.simd import LANES, PANEL, copy_row, dot_and_update_row
from fastlm_kernels.runtime.jit import JIT_DISABLED, kernel

ROOT = str(Path(__file__).parents[3])

pytestmark = pytest.mark.skipif(JIT_DISABLED, reason="intrinsics cannot run as Python")


@kernel
def rows(params, start, width, delta, amount, target, source):
    copy_row(target, np.int64(1), source, np.int64(2))
    return dot_and_update_row(params, np.int64(start), np.int64(width), delta, np.float32(amount))


@pytest.mark.parametrize("width", [LANES, LANES + 1, 2 * LANES - 1, 2 * LANES, 3 * LANES + 5])
def test_dot_and_update_and_copy(width):
    rng = np.random.default_rng(width)
    params = rng.standard_normal(width + 7).astype(np.float32)
    delta = rng.standard_normal(width).astype(np.float32)
    source, target = np.arange(PANEL + 4.0, dtype=np.float32), np.zeros(PANEL + 3, np.float32)
    old = params.astype(np.float64)
    dot = rows(params, 3, width, delta, 0.25, target, source)
    assert dot == pytest.approx(old[3 : 3 + width] @ delta, rel=1e-5, abs=1e-5)
    old[3 : 3 + width] -= 0.25 * delta
    np.testing.assert_allclose(params, old, rtol=1e-5, atol=1e-6)
    assert target.tolist() == [0, *range(2, PANEL + 2), 0, 0]


# Blocks of another size than this machine's: fewer lanes, other rows.
OTHER_PROCESSOR = """
    import sys

    from llvmlite import binding

    real = binding.get_host_cpu_features()

    class Claimed(dict):
        # Numba asks too: code is still made for the processor that runs it.
        flatten = staticmethod(real.flatten)

    binding.get_host_cpu_features = lambda: Claimed({name: True for name in sys.argv[1:]})

    from fastlm_kernels.linalg.simd import BLOCK_ROWS, LANES
    from fastlm_kernels.linalg.dense import GROUP, PANEL, PANEL_ROWS, TILE_ROWS
    from tests.kernels.linalg.test_gemm import check
    from tests.kernels.linalg.test_sparse import check_masked

    print(LANES, BLOCK_ROWS)
    for m, n, k in (
        (TILE_ROWS + 5, GROUP + PANEL + 3, PANEL_ROWS + 9),
        (BLOCK_ROWS - 1, PANEL - 1, 3),
        (BLOCK_ROWS + 1, PANEL + 1, 1),
        (2 * BLOCK_ROWS + 4, LANES, LANES + 1),
    ):
        for transpose_a, transpose_b in ((False, False), (False, True), (True, False)):
            for zeros_in in ("", "a", "b"):
                check(m, n, k, transpose_a, transpose_b, 0.25, 0.9, zeros_in=zeros_in)
                check(m, n, k, transpose_a, transpose_b, 1.0, 0.0, zeros_in=zeros_in)
        check_masked(m, n, k, 0.0)
        check_masked(m, n, k, 1.0)
"""


def in_a_new_process(code, *arguments, **environment):
    """With a cache of its own, so that it compiles everything."""
    with tempfile.TemporaryDirectory() as cache:
        return subprocess.run(
            [sys.executable, "-c", textwrap.dedent(code), *arguments],
            env=os.environ
            | {"NUMBA_CACHE_DIR": cache, "PYTHONPATH": os.pathsep.join([ROOT, *sys.path])}
            | environment,
            capture_output=True,
            text=True,
        )


def on_another_processor(features, shape):
    return in_a_new_process(OTHER_PROCESSOR, *features)


@pytest.mark.beside(run=on_another_processor)
@pytest.mark.parametrize(
    ("features", "shape"), [([], "4 8"), (["avx"], "8 6"), (["avx", "avx512f"], "16 6")], ids=str
)
def test_the_blocks_of_other_processors(features, shape, beside):
    assert (beside.returncode, beside.stdout.strip()) == (0, shape), beside.stderr


def on_a_generic_processor():
    code = """
        from fastlm_kernels.linalg.simd import LANES
        from tests.kernels.linalg.test_sparse import check_masked
        from tests.kernels.linalg.test_gemm import check

        print(LANES)
        check(40, 50, 60, False, False, 0.25, 0.9, zeros_in="a")
        check_masked(40, 50, 60, 0.0)
    """
    return in_a_new_process(code, NUMBA_CPU_NAME="generic")


@pytest.mark.beside(run=on_a_generic_processor)
def test_a_processor_that_numba_is_told_of(beside):
    """Then no instructions of the real one may be asked for."""
    assert (beside.returncode, beside.stdout.strip()) == (0, "4"), beside.stderr
