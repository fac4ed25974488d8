"""Fixtures of the benchmarks: texts and models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from fastlm.api.language_model import LanguageModel
from fastlm.config import ModelConfig
from fastlm.model.initialization import scaled_params
from fastlm.text.default_corpus import default_corpus
from fastlm.tokenizers import build_tokenizer


@pytest.fixture(scope="session")
def text() -> str:
    """English text, about 465,000 characters."""
    return default_corpus()


@pytest.fixture(scope="session")
def char_model(text: str) -> LanguageModel:
    """A character model of the default shape, with random weights."""
    tokenizer = build_tokenizer("char", [text])
    config = ModelConfig(vocab=tokenizer.vocab_size, boundary=tokenizer.boundary_id)
    counts = np.bincount(tokenizer.encode(text), minlength=tokenizer.vocab_size)
    return LanguageModel(config, scaled_params(config, 0, counts), tokenizer)


@pytest.fixture(scope="session")
def wide_model(char_model: LanguageModel) -> LanguageModel:
    """A character model with C = 16, E = 24, H = 256, and random weights."""
    config = replace(char_model.config, context=16, embed=24, hidden=(256,))
    return LanguageModel(config, scaled_params(config, 0), char_model.tokenizer)


@pytest.fixture(scope="session")
def smoke(request: pytest.FixtureRequest) -> bool:
    """Whether nothing is timed and each benchmark only has to run once (--benchmark-disable)."""
    return bool(request.config.getoption("benchmark_disable"))
