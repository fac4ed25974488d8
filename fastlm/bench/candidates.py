"""Who can do a work here: pure Python, NumPy, PyTorch, the engine; each ready to be made."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fastlm.bench.engine_steps import Engine
from fastlm.bench.implementations import Implementation
from fastlm.bench.numpy_steps import Numpy
from fastlm.bench.python_steps import PurePython
from fastlm.bench.torch_steps import Torch, torch_is_installed
from fastlm.bench.without_jit import WithoutJit, ends_without_jit
from fastlm.bench.works import Work
from fastlm.engine.tiling import worth_sharing
from fastlm.system.resources import available_processors, thread_count

__all__ = ["candidates"]


def candidates(
    work: Work, *, torch_compile: bool = False
) -> dict[str, Callable[[], Implementation]]:
    """Who does this work, by name.

    ``torch-1`` and ``engine-1`` have one thread, ``torch`` has all processors; ``engine``, the
    last, is fastlm with its own choice of threads.
    """
    cores = available_processors()
    found: dict[str, Callable[[], Implementation]] = {}
    if work.is_tiny:
        found["python"] = partial(PurePython, work)
    if ends_without_jit(work):
        found["nojit"] = partial(WithoutJit, work)
    if work.is_mini:
        found["numpy"] = partial(Numpy, work, cores)
    if torch_is_installed():
        found["torch-1"] = partial(Torch, work, 1)
        if cores > 1:
            found["torch"] = partial(Torch, work, cores)
        if torch_compile:
            found["torch-compile"] = partial(Torch, work, cores, compiled=True)
    # For a step too small to share, the engine takes one thread by itself.
    if thread_count() > 1 and worth_sharing(work.model, work.batch):
        found["engine-1"] = partial(Engine, work, threads=1)
    found["engine"] = partial(Engine, work)
    return found
