"""The `whitespace` tokenizer: one token for each run of characters between white space."""

from __future__ import annotations

from typing import ClassVar

from fastlm.tokenizers.vocabulary import Vocabulary
from fastlm.tokenizers.word_level import WordLevelTokenizer
from fastlm.tokenizers.words.splitter import Splitter

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
    line_ends : bool
        Read each line end as a token.
    """

    kind: ClassVar[str] = "whitespace"

    def __init__(
        self, vocabulary: Vocabulary, *, lowercase: bool = False, line_ends: bool = False
    ) -> None:
        super().__init__(vocabulary, Splitter(self.kind, lowercase, line_ends))

    def _join(self, symbols: list[str]) -> str:
        return " ".join(symbols)
