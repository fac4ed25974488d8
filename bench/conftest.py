"""What every benchmark file shares: compiled kernels of today, and models to measure."""

from __future__ import annotations

from fastlm.bench.kernel_cache import use_kernel_cache

use_kernel_cache()

import numpy as np  # noqa: E402
import pytest  # noqa: E402

from fastlm.api.language_model import LanguageModel  # noqa: E402
from fastlm.config import ModelConfig  # noqa: E402
from fastlm.model.initialization import scaled_params  # noqa: E402
from fastlm.text.default_corpus import default_corpus  # noqa: E402
from fastlm.tokenizers import build_tokenizer  # noqa: E402


@pytest.fixture(scope="session")
def text() -> str:
    """About 465,000 characters of English."""
    return default_corpus()


@pytest.fixture(scope="session")
def char_model(text: str) -> LanguageModel:
    """A character model of the default shape, with random weights."""
    tokenizer = build_tokenizer("char", [text])
    config = ModelConfig(vocab=tokenizer.vocab_size, boundary=tokenizer.boundary_id)
    counts = np.bincount(tokenizer.encode(text), minlength=tokenizer.vocab_size)
    return LanguageModel(config, scaled_params(config, 0, counts), tokenizer)


@pytest.fixture(scope="session")
def smoke(request: pytest.FixtureRequest) -> bool:
    """Whether nothing is timed, each benchmark only has to run once."""
    return bool(request.config.getoption("benchmark_disable"))
