"""When a second process is started, and that the first then finds what it has compiled."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap

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
    from fastlm_kernels.linalg import gemm
    from fastlm_kernels.passes import evaluation, generation, training
    from fastlm_kernels.passes.sampling import Rules
    from fastlm_kernels.passes.units import UNITS

    model = ModelConfig(vocab=9, context=3, embed=4, hidden=(8,), boundary=0)
    tokens = np.arange(50) % 9
    engine = TrainingEngine(model, TrainingConfig(batch=5), tokens, scaled_params(model, 0))
    engine.compile()
    engine.run(np.full(2, 0.1))
    params = engine.snapshot()[0]
    position_losses(params, model, engine.tokens, 0, 20)
    Generation(params, model, Rules(0.5, 0, 3, 0.9), 1, [2], count=3).run(2)

    kernels = {
        "train_steps": training.train_steps, "position_losses": evaluation.position_losses,
        "generate_tokens": generation.generate_tokens,
    } | {name: unit for name, unit in UNITS.items() if unit.signatures}
    for name, kernel in kernels.items():
        stats = kernel.stats
        hits, misses = sum(stats.cache_hits.values()), sum(stats.cache_misses.values())
        print(name, hits, misses)
    print("product", gemm._compiled().cache_hits, 1 - gemm._compiled().cache_hits)
"""


def first_after_second():
    """What the first process printed, of a cache that a second one filled in part."""
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"NUMBA_CACHE_DIR": folder}
        with subprocess.Popen(
            [sys.executable, "-c", precompile._PROGRAM],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as second:
            for name in COMPILED:
                second.stdin.write(f"{name}\n")
                second.stdin.flush()
                assert second.stdout.readline() == f"{name}\n"
        run = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(FIRST_PROCESS)],
            env=environment,
            capture_output=True,
            text=True,
        )
        assert run.returncode == 0, run.stderr
    return [line.split() for line in run.stdout.splitlines()]


COMPILED = ["product", "output", "layer", "position_losses", "generate_tokens"]


@pytest.mark.skipif(JIT_DISABLED, reason="nothing is compiled")
@pytest.mark.beside(run=first_after_second)
def test_the_first_process_compiles_none_of_it_again(beside):
    counts = {name: (int(hits), int(misses)) for name, hits, misses in beside}
    assert counts.pop("train_steps") == (0, 1)  # its own work: the check can fail
    assert {name for name, count in counts.items() if count == (1, 0)} == set(COMPILED)
    assert {counts[name] for name in counts.keys() - set(COMPILED)} == {(0, 1)}


@pytest.mark.parametrize(
    ("compiled", "processors", "problem"), [(True, 4, ""), (False, 1, ""), (False, 4, "full disk")]
)
def test_no_second_process_where_it_has_nothing_to_do(monkeypatch, compiled, processors, problem):
    monkeypatch.setattr(precompile, "is_compiled", lambda kernel: compiled)
    monkeypatch.setattr("fastlm.system.resources.available_processors", lambda: processors)
    monkeypatch.setattr("fastlm_kernels.runtime.cache.cache_problem", lambda: problem)
    monkeypatch.setattr(precompile, "SecondProcess", lambda program: pytest.fail("started"))
    precompile.start_compiling()


def test_a_second_process_that_cannot_start_is_no_error(monkeypatch):
    started = []

    def no_process(program, first):
        started.append(program)
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(precompile, "is_compiled", lambda kernel: False)
    monkeypatch.setattr("fastlm.system.resources.available_processors", lambda: 2)
    monkeypatch.setattr("fastlm_kernels.runtime.cache.cache_problem", lambda: "")
    monkeypatch.setattr(precompile, "SecondProcess", no_process)
    precompile.start_compiling()
    assert started == [precompile._PROGRAM]


def test_what_is_waited_for_says_whether_the_next_start_waits_too(monkeypatch):
    monkeypatch.setattr("fastlm_kernels.runtime.cache.cache_problem", lambda: "")
    assert compiling_text() == "kernels for the first time: 5 to 20 s; later starts use a cache"
    monkeypatch.setattr("fastlm_kernels.runtime.cache.cache_problem", lambda: "place: Read-only")
    assert "every start does, since place: Read-only; set NUMBA_CACHE_DIR" in compiling_text()
