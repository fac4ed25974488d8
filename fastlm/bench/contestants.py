"""The implementations that can do a workload on this machine."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fastlm.bench.engine_steps import Engine, PlainKernels, ends_without_jit
from fastlm.bench.implementations import Implementation, is_installed
from fastlm.bench.jax_steps import Jax, threads_environment
from fastlm.bench.other_process import OtherProcess
from fastlm.bench.reference_steps import Numpy, PurePython
from fastlm.bench.torch_steps import Torch
from fastlm.bench.workloads import Workload
from fastlm.engine.tiling import worth_sharing
from fastlm.system.resources import available_processors, thread_count
from fastlm.wording import install

__all__ = ["contestants", "missing_peers"]


def contestants(
    workload: Workload, *, torch_compile: bool = False
) -> dict[str, Callable[[], Implementation]]:
    """Return a constructor for each implementation of the workload, by name.

    ``torch-1``, ``jax-1`` and ``engine-1`` have one thread, ``torch`` and ``jax`` all processors;
    ``engine``, the last, is fastlm with its own choice of threads.
    """
    cores = available_processors()
    found: dict[str, Callable[[], Implementation]] = {}
    if workload.is_tiny:
        found["python"] = partial(PurePython, workload)
    if ends_without_jit(workload):
        plain = partial(PlainKernels, workload)
        found["nojit"] = partial(OtherProcess, plain, {"NUMBA_DISABLE_JIT": "1"})
    if workload.is_mini:
        found["numpy"] = partial(Numpy, workload, cores)
    counts = {"-1": 1, **({"": cores} if cores > 1 else {})}
    if is_installed("torch"):
        for suffix, threads in counts.items():
            found[f"torch{suffix}"] = partial(Torch, workload, threads)
        if torch_compile:
            found["torch-compile"] = partial(Torch, workload, cores, compiled=True)
    if is_installed("jax"):
        for suffix, threads in counts.items():
            make = partial(Jax, workload, threads)
            found[f"jax{suffix}"] = partial(OtherProcess, make, threads_environment(threads))
    # For a step too small to share, the engine takes one thread by itself.
    if thread_count() > 1 and worth_sharing(workload.model, workload.batch):
        found["engine-1"] = partial(Engine, workload, threads=1)
    found["engine"] = partial(Engine, workload)
    return found


def missing_peers() -> str:
    """Return which contestants are not installed, and what to type for them; or nothing."""
    peers = {"torch": "PyTorch", "jax": "JAX"}
    missing = {package: name for package, name in peers.items() if not is_installed(package)}
    if not missing:
        return ""
    return f"not installed: {', '.join(missing.values())}; {install(*missing)}"
