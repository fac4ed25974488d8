"""The machine: processor and versions, and the limits set by sgemm and memory bandwidth."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm._version import __version__
from fastlm.system.resources import available_processors
from fastlm.wording import install

__all__ = [
    "TELL_BLAS",
    "blas_obeys",
    "copy_gbytes",
    "machine_facts",
    "machine_limits",
    "machine_line",
    "processor_name",
    "sgemm_gflops",
]

TELL_BLAS = (
    "what sgemm reaches on one thread is not known without threadpoolctl: "
    f"{install('threadpoolctl')}"
)

_PACKAGES = ("numpy", "numba", "torch", "jax")

# Rows of the square matrices: 2 * 1536^3 = 7 GFLOP. With 1,024 rows sgemm reached 101 GFLOP/s in
# place of 118, on two threads 144 to 180 in place of 231, which would flatter the others.
_SGEMM_SIZE = 1536
# Bytes, far more than caches hold.
_COPY_BYTES = 256 * 2**20
# Seconds for which each limit is measured at the start.
_LIMIT_SECONDS = 0.2


def machine_facts() -> dict[str, Any]:
    """Return processor, operating system, versions and BLAS, in types that JSON has."""
    return {
        "processor": processor_name(),
        "cores": available_processors(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "fastlm": __version__,
        **{name: _version(name) for name in _PACKAGES},
        "blas": _blas(),
        "threading": "fastlm's own (Python threads in nogil kernels)",
    }


def machine_line(facts: dict[str, Any]) -> str:
    """Return the facts in one line."""
    versions = ", ".join(
        f"{name} {facts[name]}" for name in ("python", *_PACKAGES) if facts.get(name)
    )
    return (
        f"{facts['processor']}, {facts['cores']} core{'s' if facts['cores'] > 1 else ''}, "
        f"{facts['system']}; fastlm {facts['fastlm']}, {versions}; BLAS {facts['blas']}; "
        f"threads: {facts['threading']}"
    )


def machine_limits(cores: int) -> dict[str, dict[str, float | None]]:
    """Measure sgemm in GFLOP/s and copying in GB/s (read and written), on one core and on all.

    sgemm on one core is None where BLAS cannot be told to use one.
    """
    one = sgemm_gflops(1, _LIMIT_SECONDS) if blas_obeys() or cores == 1 else None
    return {
        "sgemm_gflops": {"one": one, "all": sgemm_gflops(cores, _LIMIT_SECONDS)},
        "copy_gbytes": {"one": copy_gbytes(1), "all": copy_gbytes(cores)},
    }


def blas_obeys() -> bool:
    """Return whether BLAS can be told how many threads to use."""
    return importlib.util.find_spec("threadpoolctl") is not None


def sgemm_gflops(threads: int, seconds: float = 0.0, size: int = _SGEMM_SIZE) -> float:
    """Measure NumPy's sgemm on large square matrices, in GFLOP/s, for at least one product.

    Where BLAS cannot be told how many threads to use (``blas_obeys``; Accelerate), it takes its
    own number.
    """
    a, b, c = _matrices(size)
    limits: AbstractContextManager[Any] = nullcontext()
    if blas_obeys():
        from threadpoolctl import threadpool_limits

        limits = threadpool_limits(limits=threads, user_api="blas")
    with limits:
        few = max(1, size // 8)
        np.matmul(a[:few], b, out=c[:few])  # wakes its threads up
        return _rate(lambda: np.matmul(a, b, out=c), 2e-9 * size**3, seconds)


@lru_cache(maxsize=1)
def _matrices(size: int) -> tuple[NDArray[np.float32], ...]:
    rng = np.random.default_rng(0)
    return tuple(rng.random((size, size), dtype=np.float32) for _ in range(3))


def copy_gbytes(threads: int, seconds: float = _LIMIT_SECONDS, size: int = _COPY_BYTES) -> float:
    """Measure copying of ``size`` bytes in GB/s, what is read and what is written together."""
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


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def processor_name() -> str:
    """Return the processor's name as its maker gives it, where the system tells."""
    name = ""
    if sys.platform == "linux":
        try:
            lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            lines = []
        name = next((line.partition(":")[2] for line in lines if line.startswith("model name")), "")
    elif sys.platform == "darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        name = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    name = name.strip() or platform.processor() or platform.machine() or "unknown processor"
    return " ".join(name.split())


def _blas() -> str:
    """Name and version of NumPy's BLAS: that of the NumPy rows and of the limit."""
    if not blas_obeys():
        return "unknown"
    from threadpoolctl import threadpool_info

    found = [library for library in threadpool_info() if library.get("user_api") == "blas"]
    if not found:
        return "unknown"
    # SciPy brings one of its own.
    library = next((lib for lib in found if "numpy" in lib.get("filepath", "")), found[0])
    parts = filter(None, map(library.get, ("internal_api", "version", "architecture")))
    return f"{' '.join(map(str, parts))}, {library['num_threads']} threads"
