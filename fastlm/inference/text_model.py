"""What inference needs of a model: its weights, its shape, its tokenizer, what a document is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastlm.config import ModelConfig
from fastlm.tokenizers import Tokenizer
from fastlm.types import Documents

__all__ = ["TextModel"]


@dataclass(frozen=True, kw_only=True)
class TextModel:
    """A model as it is at the start of a call: training it further changes nothing here.

    params : float32[n], all weights (``fastlm.model.layout.Layout``)
    config : the shape
    tokenizer : of ``config.vocab`` tokens
    documents : what a document is, which no context crosses
    """

    params: NDArray[np.float32]
    config: ModelConfig
    tokenizer: Tokenizer
    documents: Documents
