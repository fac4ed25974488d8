"""A model and a checkpoint to their files and back: 1.3 million parameters, 5 MB, twice that with
momentum."""

from __future__ import annotations

import os

import numpy as np
import pytest

from fastlm.api.language_model import LanguageModel, load
from fastlm.config import Config, ModelConfig, TrainingConfig
from fastlm.model.initialization import scaled_params
from fastlm.tokenizers import build_tokenizer
from fastlm.training.checkpoint import Checkpoint, write_checkpoint
from fastlm.training.trainer import Trainer


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


@pytest.mark.parametrize("by", ["numpy", "torch", "fastlm"])
def test_checkpoint(benchmark, word_model: LanguageModel, tmp_path, by: str):
    """Weights and momentum to a file that is synced and renamed; fastlm's has checksums, the
    tokenizer and the state of the run too."""
    path = tmp_path / f"checkpoint-{by}"
    beside = tmp_path / "beside"
    ids = np.arange(2_000) % word_model.config.vocab
    trainer = Trainer(
        Config(model=word_model.config, training=TrainingConfig()), ids, params=word_model.params
    )
    arrays = trainer.engine.state._asdict()
    tensors = {"params": trainer.params, "momentum": arrays["momentum"]}
    checkpoint = Checkpoint(
        model=word_model.config,
        training=trainer.config.training,
        documents="file",
        tokenizer=word_model.tokenizer,
        corpus={},
        run=trainer.run,
        reason="running",
        details={},
        params=trainer.params,
        arrays=arrays,
    )

    def by_fastlm() -> None:
        write_checkpoint(path, checkpoint)

    def by_others() -> None:
        with open(beside, "wb") as file:
            save(tensors, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)

    if by == "torch":
        torch = pytest.importorskip("torch")
        save, tensors = torch.save, {k: torch.from_numpy(v) for k, v in tensors.items()}
    else:
        save = lambda tensors, file: np.savez(file, **tensors)  # noqa: E731
    benchmark(by_fastlm if by == "fastlm" else by_others)
    assert path.stat().st_size > 8 * word_model.params.size
