"""The `whitespace` tokenizer: one token for each run of characters between white space."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import numpy.typing as npt

from fastlm.tokenizers.splitter import Splitter
from fastlm.tokenizers.vocabulary import Vocabulary
from fastlm.tokenizers.word_level import WordLevelTokenizer

__all__ = ["WhitespaceTokenizer"]


class WhitespaceTokenizer(WordLevelTokenizer):
    """`text.split()`, for text that is already tokenized.

    `<end>` and `<unk>` are reserved: in text, both read as `<unk>`. Decoding joins with single
    spaces, so `encode(decode(ids))` gives the ids back when no `<end>` is among them.

    Parameters
    ----------
    vocabulary : Vocabulary
    lowercase : bool
        Read `text.lower()` in place of the text.
    """

    kind: ClassVar[str] = "whitespace"

    def __init__(self, vocabulary: Vocabulary, *, lowercase: bool = False) -> None:
        super().__init__(vocabulary, Splitter(self.kind, lowercase))

    def _decode(self, ids: npt.NDArray[np.int64]) -> str:
        return " ".join(self._symbols(ids))
