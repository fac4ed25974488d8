"""Compiling the kernels in two processes: the first start on a machine waits a third less.

Numba compiles one function at a time, but finds in its cache what another process has compiled.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import suppress

__all__ = ["compile_half", "compiling_text", "end_with_parent", "start_compiling"]

_PROGRAM = f"from {__name__} import compile_half; compile_half()"
_WATCH = f"from {__name__} import end_with_parent; end_with_parent(); "

_started: list[subprocess.Popen[bytes]] = []  # kept: collecting one that runs is a ResourceWarning


def start_compiling() -> None:
    """Start a second process that compiles part of the kernels, if none is compiled yet.

    It ends by itself, at the latest when this process does. If it cannot start or fails, the first
    process compiles everything.
    """
    from fastlm.engine.training import kernels_cached
    from fastlm.system.resources import available_processors

    if kernels_cached() or available_processors() < 2 or getattr(sys, "frozen", False):
        return
    _start(_PROGRAM)


def compiling_text() -> str:
    """Return what a start that has to compile waits for, and whether the next one will."""
    from fastlm_kernels.runtime.cache import cache_problem

    problem = cache_problem()
    later = "later starts use a cache"
    if problem:
        later = f"every start does, since {problem}; set NUMBA_CACHE_DIR to a folder to write in"
    return f"kernels for the first time: 10 to 30 s; {later}"


def _start(program: str) -> None:
    """Run a program beside this process until one of the two ends."""
    with suppress(OSError):
        process = subprocess.Popen(
            [sys.executable, "-c", _WATCH + program],
            stdin=subprocess.PIPE,  # the system closes it when this process ends, however it does
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C in the terminal is not for it
        )
        _started.append(process)


def end_with_parent() -> None:
    """End this process as soon as its standard input, a pipe from the parent, is closed."""

    def watch() -> None:
        with suppress(OSError):
            os.read(0, 1)
        os._exit(0)

    threading.Thread(target=watch, name="fastlm-parent", daemon=True).start()


def compile_half() -> None:
    """Compile parts of ``train_steps``, and what a run needs after it.

    Meanwhile the first process compiles ``train_steps`` from its first function to its last
    (``TrainingEngine.compile``), so its last third goes first here, after a function of its middle.
    """
    import gc

    import numpy as np
    from numba import float64, int64, typeof

    from fastlm.config import ModelConfig, TrainingConfig
    from fastlm.engine.generation import Generation
    from fastlm.engine.losses import position_losses
    from fastlm.engine.training import TrainingEngine
    from fastlm.model.initialization import scaled_params
    from fastlm_kernels.layers.output import sweep_output
    from fastlm_kernels.linalg.gemm import NO_WORKSPACE, new_workspace
    from fastlm_kernels.passes.sampling import Rules
    from fastlm_kernels.passes.training import run_update

    gc.disable()  # the process ends soon; compiling makes many objects, and keeps them
    model = ModelConfig(vocab=2, context=1, embed=1, hidden=())
    tokens = np.zeros(4, dtype=np.uint16)
    engine = TrainingEngine(model, TrainingConfig(batch=2), tokens, scaled_params(model, 0))
    state, scratch, workspace, params, network, plan = (
        typeof(value)  # type: ignore[no-untyped-call]
        for value in (
            engine.state,
            engine.scratch,
            NO_WORKSPACE,
            engine.state.params,
            engine.network,
            engine.plan,
        )
    )
    # The signatures that ``train_steps`` asks for; tests/engine/test_precompile.py checks them.
    sweep_output.compile((scratch, workspace, params, network, plan, int64, int64, int64))
    run_update.compile(
        (state, scratch, workspace, network, plan, int64, int64, int64, float64, int64)
    )
    new_workspace()
    params = engine.snapshot()[0]
    position_losses(params, model, engine.tokens, 1, 4)
    rules = Rules(sharpness=1.0, greedy=0, top_k=model.vocab, top_p=1.0)
    Generation(params, model, rules, 0, [0]).run(1)
