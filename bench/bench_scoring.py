"""Losses of given text: the kernel by itself, and from text to figures."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.bench.works import initial_params, tokens, works_named
from fastlm.engine import position_losses, token_array
from fastlm.handover import to_mini
from fastlm.reference.mini import cross_entropy_loss
from fastlm.threads import available_processors

WORK = works_named(["mini-256"])[0]
POSITIONS = 4096
THREADS = sorted({1, available_processors()})


def numpy_loss(contexts: np.ndarray, targets: np.ndarray) -> float:
    """The mean loss, by the reference system."""
    mini = to_mini(initial_params(WORK), WORK.model, dtype=np.float32)
    return cross_entropy_loss(mini.forward(contexts)[0], targets)


@pytest.mark.parametrize("by", ["numpy", *(f"fastlm-{threads}" for threads in THREADS)])
def test_position_losses(benchmark, by: str):
    """4,096 positions with Mini's sizes."""
    ids = tokens(WORK).astype(np.int64)
    positions = np.arange(WORK.context, WORK.context + POSITIONS)
    contexts, targets = ids[positions[:, None] + np.arange(-WORK.context, 0)], ids[positions]
    benchmark.extra_info["tokens"] = POSITIONS
    if by == "numpy":
        benchmark(numpy_loss, contexts, targets)
        return
    arguments = (
        initial_params(WORK),
        WORK.model,
        token_array(tokens(WORK), WORK.vocab),
        WORK.context,
        WORK.context + POSITIONS,
        int(by.removeprefix("fastlm-")),
    )
    found = position_losses(*arguments).mean()
    assert found == pytest.approx(numpy_loss(contexts, targets), rel=1e-4)
    benchmark(position_losses, *arguments)


@pytest.mark.parametrize("threads", THREADS)
def test_evaluate(benchmark, char_model, text, threads: int):
    """Text to perplexity: tokenising and scoring 100,000 characters."""
    part = text[:100_000]
    figures = benchmark(char_model.evaluate, part, threads=threads)
    assert figures.tokens == len(part)
