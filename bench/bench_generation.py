"""Writing text: one token after the other, each from the last few."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.bench.works import initial_params, works_named
from fastlm.handover import to_mini, to_tiny
from fastlm.reference import tiny

LENGTH = 200


@pytest.mark.parametrize(
    "options",
    [{"greedy": True}, {"temperature": 0.8}, {"top_k": 10}, {"top_p": 0.9}],
    ids=lambda options: "-".join(options),
)
def test_generate(benchmark, char_model, options: dict):
    """200 characters, default model."""
    text = benchmark(char_model.generate, "The ", length=LENGTH, seed=0, **options)
    assert len(text) > len("The ")


def test_generate_pure_python(benchmark):
    """200 characters, Tiny."""
    work = works_named(["tiny-1"])[0]
    weights = to_tiny(initial_params(work), work.model)
    assert len(benchmark(tiny.generate_text, "the c", weights, LENGTH)) == len("the c") + LENGTH


def test_generate_numpy(benchmark):
    """200 words, Mini."""
    work = works_named(["mini-1"])[0]
    mini = to_mini(initial_params(work), work.model, dtype=np.float32)
    assert len(benchmark(mini.generate, [1, 2, 3, 4], LENGTH)) == 4 + LENGTH
