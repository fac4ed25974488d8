"""Small models with random weights, and the float64 oracle of their scores."""

from __future__ import annotations

import numpy as np

from fastlm.api.language_model import LanguageModel
from fastlm.config import ModelConfig
from fastlm.model.layout import Layout
from fastlm.tokenizers import build_tokenizer
from tests import naive

CORPUS = "the cat sat on a mat\nand the dog\n\nsaw it: 3.14!\n"


def make_model(kind="char", documents="file", seed=0, **shape) -> LanguageModel:
    """A model with random weights."""
    return model_of(build_tokenizer(kind, [CORPUS]), documents, seed, **shape)


def model_of(tokenizer, documents="file", seed=0, **shape) -> LanguageModel:
    config = ModelConfig(
        vocab=tokenizer.vocab_size,
        boundary=tokenizer.boundary_id,
        **({"context": 5, "embed": 12, "hidden": (8,)} | shape),
    )
    rng = np.random.default_rng(seed)
    params = rng.normal(0, 0.5, Layout(config).size).astype(np.float32)
    return LanguageModel(config, params, tokenizer, documents=documents)


def oracle(lm: LanguageModel, document: str) -> tuple[np.ndarray, np.ndarray]:
    """(ids, -log p) of one document's tokens and of its boundary token, in float64."""
    config, tokenizer = lm.config, lm.tokenizer
    shape = naive.NaiveConfig(
        vocab=config.vocab,
        context=config.context,
        embed=config.embed,
        hidden=config.hidden,
        combine=config.combine,
        bias=config.bias,
        far=config.far,
        cutoffs=config.cutoffs,
    )
    tensors = naive.split(lm.params.astype(np.float64), shape)
    boundary = -1 if config.boundary is None else config.boundary
    ids = tokenizer.encode_documents([document]).astype(np.int64)
    positions = np.arange(naive.first_target(config.span, boundary), len(ids))
    return ids[positions], naive.nll_of_positions(tensors, shape, ids, positions, boundary)
