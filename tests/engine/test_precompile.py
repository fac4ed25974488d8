"""What the second process compiles is what the first one then finds in the cache."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest

from fastlm.engine import precompile
from fastlm.engine.precompile import compiling_text
from fastlm_kernels.runtime.jit import JIT_DISABLED

FIRST_PROCESS = """
    import numpy as np

    from fastlm.config import ModelConfig, TrainingConfig
    from fastlm.engine.generation import Generation
    from fastlm.engine.losses import position_losses
    from fastlm.engine.training import TrainingEngine
    from fastlm.model.initialization import scaled_params
    from fastlm_kernels.layers.output import sweep_output
    from fastlm_kernels.linalg import gemm
    from fastlm_kernels.passes import evaluation, generation, training
    from fastlm_kernels.passes.sampling import Rules

    model = ModelConfig(vocab=9, context=3, embed=4, hidden=(8,), boundary=0)
    tokens = np.arange(50) % 9
    engine = TrainingEngine(model, TrainingConfig(batch=5), tokens, scaled_params(model, 0))
    engine.compile()
    engine.run(np.full(2, 0.1))
    params = engine.snapshot()[0]
    position_losses(params, model, engine.tokens, 0, 20)
    Generation(params, model, Rules(0.5, 0, 3, 0.9), 1, [2], count=3).run(2)

    kernels = [
        sweep_output, training.run_update, training.train_steps,
        evaluation.position_losses, generation.generate_tokens,
    ]
    for kernel in kernels:
        stats = kernel.stats
        hits, misses = sum(stats.cache_hits.values()), sum(stats.cache_misses.values())
        print(kernel.__name__, hits, misses)
    print("any_product", gemm._compiled().cache_hits, 1 - gemm._compiled().cache_hits)
"""


def both_processes():
    """What the first process printed, of a cache that the second one filled."""
    with tempfile.TemporaryDirectory() as folder:
        for program in (precompile._PROGRAM, textwrap.dedent(FIRST_PROCESS)):
            run = subprocess.run(
                [sys.executable, "-c", program],
                env=os.environ | {"NUMBA_CACHE_DIR": folder},
                capture_output=True,
                text=True,
            )
            assert run.returncode == 0, run.stderr
    return [line.split() for line in run.stdout.splitlines()]


@pytest.mark.skipif(JIT_DISABLED, reason="nothing is compiled")
@pytest.mark.beside(run=both_processes)
def test_the_first_process_compiles_none_of_it_again(beside):
    counts = {name: (int(hits), int(misses)) for name, hits, misses in beside}
    assert counts.pop("train_steps") == (0, 1)  # its own work: the check can fail
    assert counts == dict.fromkeys(counts, (1, 0))
    assert len(counts) == 5


@pytest.mark.parametrize(("cached", "processors"), [(True, 4), (False, 1)])
def test_no_second_process_where_it_has_nothing_to_do(monkeypatch, cached, processors):
    monkeypatch.setattr("fastlm.engine.training.kernels_cached", lambda: cached)
    monkeypatch.setattr("fastlm.system.resources.available_processors", lambda: processors)
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("started"))
    precompile.start_compiling()


def test_a_second_process_that_cannot_start_is_no_error(monkeypatch):
    started = []

    def no_process(command, **_):
        started.append(command)
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr("fastlm.engine.training.kernels_cached", lambda: False)
    monkeypatch.setattr("fastlm.system.resources.available_processors", lambda: 2)
    monkeypatch.setattr(subprocess, "Popen", no_process)
    precompile.start_compiling()
    assert started == [[sys.executable, "-c", precompile._WATCH + precompile._PROGRAM]]


def has_ended(number: int) -> bool:
    with contextlib.suppress(OSError):
        # An orphan stays a zombie where nothing collects it.
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.skipif(os.name == "nt", reason="os.kill(number, 0) ends a process on Windows")
@pytest.mark.parametrize("end", ["kill", "return"])
def test_a_second_process_ends_with_the_first(end):
    parent = textwrap.dedent(
        """
        import sys
        from fastlm.engine import precompile
        precompile._start("import time; time.sleep(120)")
        print(precompile._started[0].pid, flush=True)
        sys.stdin.read()
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as first:
        second = int(first.stdout.readline())
        time.sleep(1)
        assert not has_ended(second)
        first.kill() if end == "kill" else first.stdin.close()
    until = time.monotonic() + 10
    while not has_ended(second) and time.monotonic() < until:
        time.sleep(0.05)
    ended = has_ended(second)
    if not ended:
        os.kill(second, signal.SIGKILL)
    assert ended


def test_what_is_waited_for_says_whether_the_next_start_waits_too(monkeypatch):
    monkeypatch.setattr("fastlm_kernels.runtime.cache.cache_problem", lambda: "")
    assert compiling_text() == "kernels for the first time: 10 to 30 s; later starts use a cache"
    monkeypatch.setattr("fastlm_kernels.runtime.cache.cache_problem", lambda: "place: Read-only")
    assert "every start does, since place: Read-only; set NUMBA_CACHE_DIR" in compiling_text()
