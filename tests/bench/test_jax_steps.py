"""JAX as an implementation, in a process with its number of threads."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from fastlm.bench import jax_steps
from fastlm.bench.jax_steps import Jax, threads_environment

from .conftest import CONCAT, SMALL, assert_restarts, jax_in_its_process, needs_jax

pytestmark = needs_jax


@pytest.mark.parametrize(("threads", "name"), [(1, "JAX, 1 thread"), (2, "JAX, 2 threads")])
def test_restart_begins_again(threads, name):
    with jax_in_its_process(CONCAT, threads) as jax:
        assert (jax.kind, jax.name, jax.threads) == ("jax", name, threads)
        assert_restarts(jax, CONCAT)
    assert threads_environment(threads) == {"NPROC": str(threads)}


def test_calls_of_any_length_are_one_program_and_give_the_same(monkeypatch):
    # Cut into calls of 4 steps, past the last of the batches made ahead of time.
    workload = dataclasses.replace(SMALL["adaptive"], batch=1024)
    whole = Jax(workload, 1)
    losses = whole.run(21)
    monkeypatch.setattr(jax_steps, "_MOST_STEPS", 4)
    cut = Jax(workload, 1)
    np.testing.assert_allclose([*cut.run(1), *cut.run(20)], losses, rtol=1e-6)
    np.testing.assert_allclose(cut.params(), whole.params(), rtol=1e-4, atol=1e-6)
    assert cut._train._cache_size() == 1
