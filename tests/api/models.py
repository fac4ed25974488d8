"""Small models with random weights and every kind of tokenizer."""

from __future__ import annotations

import numpy as np

from fastlm.api.language_model import LanguageModel
from fastlm.config import ModelConfig
from fastlm.model.layout import Layout
from fastlm.tokenizers import ByteTokenizer, CharTokenizer, build_tokenizer
from tests.tokenizers.samples import mini_tokenizer

TEXT = (
    "\"To be, or not to be\" -- that's the question: 'tis (so he said) well-known?\n"
    "The boys' 3.14 and 1,000 at 10:30… “Don’t!” 日本の 語 a_b/c;\n\n"
    "Ünder naïve 'single' “double” – 7–8, l'homme [x] {y} $5.\n"
)

TOKENIZERS = {
    "char": build_tokenizer("char", [TEXT]),
    "word": build_tokenizer("word", [TEXT]),
    "whitespace": build_tokenizer("whitespace", [TEXT]),
    "byte": ByteTokenizer(),
    "tiny": CharTokenizer.tiny(),
    "mini": mini_tokenizer([TEXT]),
    "bytes without end": ByteTokenizer(boundary=False),
}


def make_model(tokenizer="char", documents="file", scale=0.3, seed=0, **changes):
    if isinstance(tokenizer, str):
        tokenizer = TOKENIZERS[tokenizer]
    shape = {"context": 4, "embed": 3, "hidden": (5,)} | changes
    config = ModelConfig(vocab=tokenizer.vocab_size, boundary=tokenizer.boundary_id, **shape)
    rng = np.random.default_rng(seed)
    params = (scale * rng.standard_normal(Layout(config).size)).astype(np.float32)
    return LanguageModel(config, params, tokenizer, documents=documents)
