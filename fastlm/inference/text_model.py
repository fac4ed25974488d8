"""The part of a language model that generation, scoring and evaluation need."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fastlm.config import ModelConfig
from fastlm.model.seen import Seen
from fastlm.tokenizers import Tokenizer
from fastlm.types import Documents

__all__ = ["TextModel"]


@dataclass(frozen=True, kw_only=True)
class TextModel:
    """A snapshot of a model, taken when a call begins: later training does not change it.

    Attributes
    ----------
    params : float32[n]
        All weights (``fastlm.model.layout.Layout``).
    config : ModelConfig
        The shape.
    tokenizer : Tokenizer
        Of ``config.vocab`` tokens.
    documents : {"file", "paragraphs", "lines", "stream"}
        What a document is, which no context crosses.
    seen : Seen
        What occurred in training.
    """

    params: NDArray[np.float32]
    config: ModelConfig
    tokenizer: Tokenizer
    documents: Documents
    seen: Seen = field(default_factory=Seen)
