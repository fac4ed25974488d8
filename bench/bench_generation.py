"""Writing text: one token after the other, each from the last few."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.bench.works import initial_params, works_named
from fastlm.config import ModelConfig
from fastlm.handover import to_mini, to_tiny
from fastlm.initialize import scaled_params
from fastlm.model import LanguageModel
from fastlm.reference import tiny
from fastlm.threads import available_processors

LENGTH = 200

HOW = [{}, {"greedy": True}, {"temperature": 0.8}, {"top_k": 10}, {"top_p": 0.9}]

THREADS = sorted({1, available_processors()})


@pytest.fixture(scope="module")
def wide_model(char_model) -> LanguageModel:
    """A character model with C=16, E=24, H=256."""
    config = ModelConfig(
        vocab=char_model.config.vocab,
        context=16,
        hidden=(256,),
        boundary=char_model.config.boundary,
    )
    return LanguageModel(config, scaled_params(config, 0), char_model.tokenizer)


@pytest.mark.parametrize("options", HOW, ids="-".join)
def test_one_text(benchmark, wide_model, smoke, options: dict):
    """2,000 characters, C=16, E=24, H=256."""
    length = 20 if smoke else 2000
    benchmark.extra_info["tokens"] = length
    text = benchmark(wide_model.generate, "The ", length=length, seed=0, **options)
    assert len(text) == len("The ") + length


@pytest.mark.parametrize("options", HOW, ids="-".join)
@pytest.mark.parametrize("threads", THREADS)
def test_256_texts(benchmark, wide_model, smoke, threads: int, options: dict):
    """256 texts of 200 characters at once, C=16, E=24, H=256, from prompt to text."""
    length = 4 if smoke else LENGTH
    benchmark.extra_info["tokens"] = 256 * length
    texts = benchmark(
        wide_model.sample, 256, "The ", length=length, seed=0, threads=threads, **options
    )
    assert len(texts) == 256


def test_stream(benchmark, wide_model, smoke):
    """2,000 characters one by one, C=16, E=24, H=256."""
    length = 20 if smoke else 2000
    benchmark.extra_info["tokens"] = length
    assert len(benchmark(lambda: list(wide_model.stream(length=length, seed=0)))) == length


@pytest.mark.parametrize("options", HOW[1:], ids="-".join)
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
