"""The `word` tokenizer: runs of letters, marks and digits; every other visible symbol alone."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Self

from fastlm.system.json_values import FLAG, TEXT, Kind
from fastlm.tokenizers.vocabulary import Vocabulary
from fastlm.tokenizers.word_level import WordLevelTokenizer
from fastlm.tokenizers.words.detokenize import detokenize
from fastlm.tokenizers.words.spacing import SPACING, Spacing, learn_spacing, spacing_form
from fastlm.tokenizers.words.splitter import Splitter

__all__ = ["WordTokenizer"]


class WordTokenizer(WordLevelTokenizer):
    """Words and symbols as tokens; white space, control and format characters separate.

    "unicode" (see `word_pattern`): a token is a run of letters, marks and numbers, with U+200C
    and U+200D inside it, or one other visible character, `_` among them. In scripts without
    spaces between words (Han, Hiragana, Katakana, Thai, Lao, Khmer, Myanmar) each letter is a
    token, with the marks that follow it.

    Decoding puts spaces where text usually has them (see `detokenize`), or where the training
    text has them (`spacing`). The spaces of the original text are not kept, but
    `encode(decode(ids))` gives the ids back when neither `<end>` nor `<unk>` is among them.

    Parameters
    ----------
    vocabulary : Vocabulary
    lowercase : bool
        Read `text.lower()` in place of the text.
    pattern : {"unicode", "mini"}
    line_ends : bool
        Read each line end as a token.
    spacing : mapping of (str, str) to bool
        What was learned of the spaces between two tokens (see `learn_spacing`). It changes no id,
        and is not part of the fingerprint.
    """

    kind: ClassVar[str] = "word"
    form_kinds: ClassVar[Mapping[str, Kind]] = {"pattern": TEXT, "lowercase": FLAG}
    optional_kinds: ClassVar[Mapping[str, Kind]] = {
        **WordLevelTokenizer.optional_kinds,
        "spacing": SPACING,
    }

    def __init__(
        self,
        vocabulary: Vocabulary,
        *,
        lowercase: bool = False,
        pattern: str = "unicode",
        line_ends: bool = False,
        spacing: Spacing = MappingProxyType({}),
    ) -> None:
        super().__init__(vocabulary, Splitter.of(self.kind, lowercase, pattern, line_ends))
        self.spacing = spacing

    def to_dict(self) -> dict[str, Any]:
        """Return kind, settings, symbols, and what was learned of spaces, if anything was."""
        form = super().to_dict()
        return form | {"spacing": spacing_form(self.spacing)} if self.spacing else form

    def _form_of_ids(self) -> dict[str, Any]:
        return super().to_dict()

    def with_spaces_of(self, text: str) -> Self:
        """Return this tokenizer with the spacing that is learned from a text."""
        spaced = object.__new__(type(self))  # its symbols have been checked
        spaced.__dict__.update(self.__dict__)
        spaced.spacing = learn_spacing(
            text, pattern=self.pattern, lowercase=self.lowercase, line_ends=self.line_ends
        )
        return spaced

    def _join(self, symbols: list[str]) -> str:
        return detokenize(symbols, self.pattern, self.spacing)
