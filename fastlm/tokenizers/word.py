"""The `word` tokenizer: runs of letters, marks and digits; every other visible symbol alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from fastlm.system.json_values import FLAG, TEXT, Kind
from fastlm.tokenizers.detokenize import detokenize
from fastlm.tokenizers.splitter import Splitter
from fastlm.tokenizers.vocabulary import Vocabulary
from fastlm.tokenizers.word_level import WordLevelTokenizer

__all__ = ["WordTokenizer"]


class WordTokenizer(WordLevelTokenizer):
    """Words and symbols as tokens; white space, control and format characters separate.

    "unicode" (see `word_pattern`): a token is a run of letters, marks and numbers, with U+200C
    and U+200D inside it, or one other visible character, `_` among them. In scripts without
    spaces between words (Han, Hiragana, Katakana, Thai, Lao, Khmer, Myanmar) each letter is a
    token, with the marks that follow it.

    Decoding puts spaces where English usually has them (see `detokenize`). The spaces of the
    original text are not kept, but `encode(decode(ids))` gives the ids back when neither `<end>`
    nor `<unk>` is among them.

    Parameters
    ----------
    vocabulary : Vocabulary
    lowercase : bool
        Read `text.lower()` in place of the text.
    pattern : {"unicode", "mini"}
    line_ends : bool
        Read each line end as a token.
    """

    kind: ClassVar[str] = "word"
    form_kinds: ClassVar[Mapping[str, Kind]] = {"pattern": TEXT, "lowercase": FLAG}

    def __init__(
        self,
        vocabulary: Vocabulary,
        *,
        lowercase: bool = False,
        pattern: str = "unicode",
        line_ends: bool = False,
    ) -> None:
        super().__init__(vocabulary, Splitter.of(self.kind, lowercase, pattern, line_ends))

    def _join(self, symbols: list[str]) -> str:
        return detokenize(symbols, self.pattern)
