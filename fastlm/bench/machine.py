"""Which machine, which versions: what has to stand beside every figure."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from fastlm._version import __version__
from fastlm.bench.limits import blas_obeys, copy_gbytes, sgemm_gflops
from fastlm.system.resources import available_processors

__all__ = ["machine_facts", "machine_limits", "machine_line"]

_PACKAGES = ("numpy", "numba", "torch")


def machine_facts() -> dict[str, Any]:
    """Processor, operating system, versions and BLAS, in types that JSON has."""
    return {
        "processor": _processor(),
        "cores": available_processors(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "fastlm": __version__,
        **{name: _version(name) for name in _PACKAGES},
        "blas": _blas(),
        "threading": "fastlm's own (Python threads in nogil kernels)",
    }


def machine_limits(cores: int, seconds: float) -> dict[str, dict[str, float | None]]:
    """Rates on one core and on all: sgemm in GFLOP/s, copying in GB/s read and written.

    None where BLAS cannot be told to use one core.
    """
    return {
        "sgemm_gflops": {
            "one": sgemm_gflops(1, seconds) if blas_obeys() or cores == 1 else None,
            "all": sgemm_gflops(cores, seconds),
        },
        "copy_gbytes": {"one": copy_gbytes(1, seconds), "all": copy_gbytes(cores, seconds)},
    }


def machine_line(facts: dict[str, Any]) -> str:
    """The facts in a line."""
    versions = ", ".join(
        f"{name} {facts[name]}" for name in ("python", *_PACKAGES) if facts.get(name)
    )
    return (
        f"{facts['processor']}, {facts['cores']} core{'s' if facts['cores'] > 1 else ''}, "
        f"{facts['system']}; fastlm {facts['fastlm']}, {versions}; BLAS {facts['blas']}; "
        f"threads: {facts['threading']}"
    )


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    """The processor's name as its maker gives it, where the system tells."""
    name = ""
    if sys.platform == "linux":
        try:
            lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            lines = []
        name = next((line.partition(":")[2] for line in lines if line.startswith("model name")), "")
    elif sys.platform == "darwin":
        done = subprocess.run(
            ["sysctl", "-n", "machdep.cpu.brand_string"],
            capture_output=True,
            text=True,
            check=False,
        )
        name = done.stdout
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
    parts = (library.get("internal_api"), library.get("version"), library.get("architecture"))
    return " ".join(str(part) for part in parts if part) + f", {library['num_threads']} threads"
