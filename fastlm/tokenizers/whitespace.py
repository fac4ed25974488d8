"""The `whitespace` tokenizer: one token for what stands between white space."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from fastlm.system.json_values import FLAG, LIST
from fastlm.tokenizers.vocabulary import Vocabulary
from fastlm.tokenizers.word_level import Cut, SymbolTokenizer, vocabulary_from_file

__all__ = ["WhitespaceTokenizer", "whitespace_cut"]


class WhitespaceTokenizer(SymbolTokenizer):
    """`text.split()`, for text that is tokenised already.

    `<end>` and `<unk>` are reserved: in text, both read as `<unk>`. Decoding joins with single
    spaces, so `encode(decode(ids))` gives the ids back when no `<end>` is among them.
    """

    kind: ClassVar[str] = "whitespace"
    pattern = "whitespace"

    def __init__(self, vocabulary: Vocabulary, *, lowercase: bool = False) -> None:
        self.lowercase = lowercase
        super().__init__(vocabulary, whitespace_cut(lowercase))

    @classmethod
    def from_vocab_file(
        cls,
        path: str | PathLike[str],
        *,
        boundary: bool = True,
        unk: bool = True,
        lowercase: bool = False,
    ) -> Self:
        """Read one symbol a line, in the order of the ids (see `Vocabulary.from_file`)."""
        vocabulary = vocabulary_from_file(
            path, whitespace_cut(lowercase), cls.kind, boundary=boundary, unk=unk
        )
        return cls(vocabulary, lowercase=lowercase)

    def to_dict(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "lowercase": self.lowercase,
            "symbols": list(self.vocabulary.symbols),
        }

    @classmethod
    def from_dict(cls, form: Mapping[str, Any]) -> Self:
        values = cls._read(form, {"lowercase": FLAG, "symbols": LIST})
        return cls(Vocabulary.from_json(values["symbols"]), lowercase=values["lowercase"])

    def _decode(self, ids: npt.NDArray[np.int64]) -> str:
        return " ".join(map(self.vocabulary.symbols.__getitem__, ids.tolist()))


def whitespace_cut(lowercase: bool) -> Cut:
    """Return the function that cuts text at white space, lower-cased or not."""
    return _split_lower if lowercase else str.split


def _split_lower(text: str) -> list[str]:
    return text.lower().split()
