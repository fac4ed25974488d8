"""The implementations that can do a workload on this machine."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fastlm.bench.engine_steps import Engine, WithoutJit, ends_without_jit
from fastlm.bench.implementations import Implementation
from fastlm.bench.reference_steps import Numpy, PurePython
from fastlm.bench.torch_steps import Torch, torch_is_installed
from fastlm.bench.workloads import Workload
from fastlm.engine.tiling import worth_sharing
from fastlm.system.resources import available_processors, thread_count

__all__ = ["contestants"]


def contestants(
    workload: Workload, *, torch_compile: bool = False
) -> dict[str, Callable[[], Implementation]]:
    """Return a constructor for each implementation of the workload, by name.

    ``torch-1`` and ``engine-1`` have one thread, ``torch`` has all processors; ``engine``, the
    last, is fastlm with its own choice of threads.
    """
    cores = available_processors()
    found: dict[str, Callable[[], Implementation]] = {}
    if workload.is_tiny:
        found["python"] = partial(PurePython, workload)
    if ends_without_jit(workload):
        found["nojit"] = partial(WithoutJit, workload)
    if workload.is_mini:
        found["numpy"] = partial(Numpy, workload, cores)
    if torch_is_installed():
        found["torch-1"] = partial(Torch, workload, 1)
        if cores > 1:
            found["torch"] = partial(Torch, workload, cores)
        if torch_compile:
            found["torch-compile"] = partial(Torch, workload, cores, compiled=True)
    # For a step too small to share, the engine takes one thread by itself.
    if thread_count() > 1 and worth_sharing(workload.model, workload.batch):
        found["engine-1"] = partial(Engine, workload, threads=1)
    found["engine"] = partial(Engine, workload)
    return found
