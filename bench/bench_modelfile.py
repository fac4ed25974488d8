"""A model to its file and back: 1.3 million parameters, 5 MB."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.config import ModelConfig
from fastlm.initialize import scaled_params
from fastlm.model import LanguageModel, load
from fastlm.tokenizers import build_tokenizer


@pytest.fixture(scope="module")
def word_model(text: str) -> LanguageModel:
    tokenizer = build_tokenizer("word", [text])
    config = ModelConfig(
        vocab=tokenizer.vocab_size, boundary=tokenizer.boundary_id, embed=64, hidden=(128,)
    )
    return LanguageModel(config, scaled_params(config, 0), tokenizer)


def test_save(benchmark, word_model: LanguageModel, tmp_path):
    """Checked, written, synced, renamed."""
    path = tmp_path / "model.safetensors"
    benchmark(word_model.save, path)
    assert path.stat().st_size > 4 * word_model.params.size


def test_load(benchmark, word_model: LanguageModel, tmp_path):
    path = tmp_path / "model.safetensors"
    word_model.save(path)
    loaded = benchmark(load, path)
    np.testing.assert_array_equal(loaded.params, word_model.params)
