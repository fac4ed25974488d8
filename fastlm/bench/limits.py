"""What the machine can do at most: matrix products, and moving memory."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["TELL_BLAS", "blas_obeys", "copy_gbytes", "sgemm_gflops"]

TELL_BLAS = (
    "what sgemm reaches on one thread is not known without threadpoolctl: pip install threadpoolctl"
)

# 2 * 1536^3 = 7 GFLOP. Looks of 20 ms at 1,024 found 101 GFLOP/s in place of 118, on two threads
# 144 to 180 in place of 231: shares were flattered, and more rounds seemed to be disturbed.
_SGEMM_SIZE = 1536
_COPY_BYTES = 256 * 2**20


def blas_obeys() -> bool:
    """Whether BLAS can be told how many threads to use."""
    return importlib.util.find_spec("threadpoolctl") is not None


def sgemm_gflops(threads: int, seconds: float = 0.2, size: int = _SGEMM_SIZE) -> float:
    """GFLOP/s of the sgemm in NumPy's BLAS, on large square matrices.

    Where BLAS cannot be told how many threads to use (``blas_obeys``; Accelerate), it takes what it
    likes.
    """
    a, b, c = _matrices(size)
    with _blas_threads(threads):
        few = max(1, size // 8)
        np.matmul(a[:few], b, out=c[:few])  # wakes its threads up
        return _rate(lambda: np.matmul(a, b, out=c), 2e-9 * size**3, seconds)


def _blas_threads(threads: int) -> AbstractContextManager[Any]:
    if not blas_obeys():
        return nullcontext()
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(limits=threads, user_api="blas")
    return limits


@lru_cache(maxsize=1)
def _matrices(size: int) -> tuple[NDArray[np.float32], ...]:
    rng = np.random.default_rng(0)
    return tuple(rng.random((size, size), dtype=np.float32) for _ in range(3))


def copy_gbytes(threads: int, seconds: float = 0.2, size: int = _COPY_BYTES) -> float:
    """GB/s read and written (their sum) while copying ``size`` bytes, far more than caches hold."""
    source = np.ones(size // 8, dtype=np.float64)
    target = np.zeros_like(source)
    parts = list(zip(np.array_split(target, threads), np.array_split(source, threads), strict=True))
    with ThreadPoolExecutor(threads) as pool:

        def copy() -> None:
            # NumPy copies without the GIL.
            list(pool.map(lambda pair: np.copyto(*pair), parts))

        copy()
        return _rate(copy, 2e-9 * source.nbytes, seconds)


def _rate(call: Callable[[], object], amount: float, seconds: float) -> float:
    """``amount`` per call, over the median time of calls that fill ``seconds``."""
    times: list[float] = []
    while not times or sum(times) < seconds:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return amount / float(np.median(times))
