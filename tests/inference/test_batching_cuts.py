"""Long documents: scored in parts, they have the tokens that they have as a whole."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest

from fastlm.api.language_model import LanguageModel
from fastlm.config import ModelConfig
from fastlm.model.layout import Layout
from fastlm.tokenizers import BpeTokenizer, Tokenizer, train_bpe

library = pytest.importorskip("tokenizers")

WORDS = ["the", "cat", "sat", "on", "a", "mat", " ", "  ", "   ", "\n\n", "\t \t", " \n  \n"]


def long_text(seed: int) -> str:
    """300,000 characters, half of them in runs of white space."""
    rng = random.Random(seed)
    return " ".join(rng.choices(WORDS, k=200_000))[:300_000]


def learnt() -> Tokenizer:
    return train_bpe([long_text(0)[:20_000]], max_vocab=300)


def with_unknown_rules() -> Tokenizer:
    """Words of the library's own: white space is part of what it counts, nothing may be cut."""
    vocab = {"<unk>": 0, "<end>": 1, " the": 2, " ": 3, " cat ": 4}
    made = library.Tokenizer(library.models.WordLevel(vocab, unk_token="<unk>"))
    made.pre_tokenizer = library.pre_tokenizers.Split(library.Regex(r"\s+\w*\s*"), "isolated")
    return BpeTokenizer(json.loads(made.to_str()))


@pytest.mark.parametrize("make", [learnt, with_unknown_rules])
def test_a_score_counts_the_tokens_of_encode(make) -> None:
    tokenizer = make()
    shape = ModelConfig(
        vocab=tokenizer.vocab_size, boundary=tokenizer.boundary_id, context=2, embed=2, hidden=()
    )
    params = np.zeros(Layout(shape).size, dtype=np.float32)
    lm = LanguageModel(shape, params, tokenizer, documents="file")
    for seed in range(4):
        text = long_text(seed)
        expected = tokenizer.encode(text).size
        (score,) = lm.score([text])
        assert score.tokens == expected == lm.evaluate([text]).tokens
