"""The second process of a first start: when it is started, and what it compiles."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

from fastlm.engine.compiling import SecondProcess, share_with

__all__ = ["compiling_text", "is_compiled", "serve", "start_compiling"]

# Where the kernels are: importing the others takes a tenth of a second.
_MODULES = {
    "train_steps": "training",
    "generate_tokens": "generation",
    "position_losses": "evaluation",
}

_PROGRAM = f"from {__name__} import serve; serve()"


def start_compiling(
    kernel: str = "train_steps", program: str = _PROGRAM, first: Sequence[str] = ()
) -> None:
    """Start a second process that compiles part of the kernels, if ``kernel`` is not compiled yet.

    It ends by itself, at the latest when this process does. If it cannot start or fails, the first
    process compiles everything.

    Parameters
    ----------
    kernel : {"train_steps", "generate_tokens", "position_losses"}
        What this process is going to run.
    program : str
        Python source that calls ``serve``.
    first : sequence of str
        What the second process compiles before all else, by the names of that program.
    """
    from fastlm.system.resources import available_processors
    from fastlm_kernels.runtime.cache import cache_problem

    if is_compiled(kernel) or available_processors() < 2 or getattr(sys, "frozen", False):
        return
    if cache_problem():
        return  # what it compiles would not be found
    with contextlib.suppress(OSError):
        share_with(SecondProcess(program, first))


def is_compiled(kernel: str) -> bool:
    """Return whether a kernel, by the name of ``start_compiling``, needs no compiling."""
    from fastlm_kernels.runtime.jit import is_cached

    module = import_module(f"fastlm_kernels.passes.{_MODULES[kernel]}")
    return is_cached(getattr(module, kernel))


def compiling_text() -> str:
    """Return what a start that has to compile waits for, and whether the next one will."""
    from fastlm_kernels.runtime.cache import cache_problem

    problem = cache_problem()
    later = "later starts use a cache"
    if problem:
        later = f"every start does, since {problem}; set NUMBA_CACHE_DIR to a folder to write in"
    return f"kernels for the first time: 5 to 20 s; {later}"


def serve(more: Mapping[str, Callable[[], object]] | None = None) -> None:
    """Compile what standard input names, a name a line, and write each name when it is done.

    ``more`` has what other rooms compile. After ``train_steps`` or a part of it has been asked for,
    what a run needs later is compiled while nothing else is asked for. The end of standard input
    ends this process at once.
    """
    import gc
    import queue

    names: queue.SimpleQueue[str] = queue.SimpleQueue()

    def read() -> None:
        for line in sys.stdin:
            names.put(line.strip())
        os._exit(0)

    threading.Thread(target=read, name="fastlm-parent", daemon=True).start()
    gc.disable()  # the process ends soon; compiling makes many objects, and keeps them
    compilations = _all_compilations() | dict(more or {})
    later = ["position_losses", "generate_tokens"]
    asked: set[str] = set()
    while True:
        trains = bool(asked - {"", "product", *later, *(more or {})})
        if names.empty() and trains and later:
            compilations[later.pop(0)]()
            continue
        name = names.get()
        asked.add(name)
        if name in compilations:
            compilations[name]()
        print(name, flush=True)


def _all_compilations() -> dict[str, Callable[[], object]]:
    import numpy as np

    from fastlm.config import ModelConfig, TrainingConfig
    from fastlm.engine.generation import Generation
    from fastlm.engine.losses import position_losses
    from fastlm.engine.training import TrainingEngine
    from fastlm.model.initialization import scaled_params
    from fastlm_kernels.passes.sampling import Rules

    # Kernels have one type for each argument: those of the smallest model are those of all.
    model = ModelConfig(vocab=2, context=1, embed=1, hidden=())
    params = scaled_params(model, 0)
    engine = TrainingEngine(model, TrainingConfig(batch=2), np.zeros(4, dtype=np.uint16), params)
    rules = Rules(sharpness=1.0, greedy=0, top_k=model.vocab, top_p=1.0)
    return engine.compilations(every_unit=True) | {
        "position_losses": lambda: position_losses(params, model, engine.tokens, 1, 4),
        "generate_tokens": lambda: Generation(params, model, rules, 0, [0]).run(1),
    }
