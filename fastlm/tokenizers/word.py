"""The `word` tokenizer: runs of letters, marks and digits; every other visible symbol alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from fastlm.errors import TokenizerError
from fastlm.system.json_values import FLAG, LIST, TEXT
from fastlm.tokenizers.detokenize import detokenize
from fastlm.tokenizers.vocabulary import Vocabulary
from fastlm.tokenizers.word_level import SymbolTokenizer, vocabulary_from_file
from fastlm.tokenizers.word_pattern import WORD_PATTERNS, word_pattern

__all__ = ["WordCut", "WordTokenizer"]


class WordTokenizer(SymbolTokenizer):
    """Words and symbols as tokens; white space, control and format characters separate.

    "unicode" (see `word_pattern`): a token is a run of letters, marks and numbers, with U+200C
    and U+200D inside it, or one other visible character, `_` among them. In scripts without
    spaces between words (Han, Hiragana, Katakana, Thai, Lao, Khmer, Myanmar) each letter is a
    token, with the marks that follow it.

    Decoding puts spaces where English usually has them (see `detokenize`). Their places in the
    original text are not kept, but `encode(decode(ids))` gives the ids back when neither `<end>`
    nor `<unk>` is among them.

    Parameters
    ----------
    vocabulary : Vocabulary
    lowercase : bool
        Read `text.lower()` in place of text.
    pattern : {"unicode", "mini"}
    """

    kind: ClassVar[str] = "word"

    def __init__(
        self, vocabulary: Vocabulary, *, lowercase: bool = False, pattern: str = "unicode"
    ) -> None:
        self.lowercase = lowercase
        self.pattern = pattern
        super().__init__(vocabulary, WordCut(pattern, lowercase))

    @classmethod
    def from_vocab_file(
        cls,
        path: str | PathLike[str],
        *,
        boundary: bool = True,
        unk: bool = True,
        lowercase: bool = False,
        pattern: str = "unicode",
    ) -> Self:
        """Read one symbol a line, in the order of the ids (see `Vocabulary.from_file`)."""
        vocabulary = vocabulary_from_file(
            path, WordCut(pattern, lowercase), cls.kind, boundary=boundary, unk=unk
        )
        return cls(vocabulary, lowercase=lowercase, pattern=pattern)

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "pattern": self.pattern,
            "lowercase": self.lowercase,
            "symbols": list(self.vocabulary.symbols),
        }

    @classmethod
    def from_dict(cls, form: Mapping[str, Any]) -> Self:
        values = cls._read(form, {"pattern": TEXT, "lowercase": FLAG, "symbols": LIST})
        return cls(
            Vocabulary.from_json(values["symbols"]),
            lowercase=values["lowercase"],
            pattern=values["pattern"],
        )

    def _decode(self, ids: npt.NDArray[np.int64]) -> str:
        symbols = map(self.vocabulary.symbols.__getitem__, ids.tolist())
        return detokenize(symbols, self.pattern)


@dataclass(frozen=True)
class WordCut:
    """Cuts text by a pattern; an object, not a closure, so that tokenizers can be pickled.

    Raises TokenizerError for an unknown pattern.
    """

    pattern: str
    lowercase: bool

    def __post_init__(self) -> None:
        if self.pattern not in WORD_PATTERNS:
            raise TokenizerError(
                f"the word tokenizer's pattern must be one of {', '.join(WORD_PATTERNS)}, "
                f"got {self.pattern!r}"
            )

    def __call__(self, text: str) -> list[str]:
        if self.lowercase:
            text = text.lower()
        return word_pattern(self.pattern, text.isascii()).findall(text)
