"""The `byte` tokenizer: one token for each byte of the text's UTF-8."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from fastlm.errors import TokenizerError
from fastlm.system.json_values import FLAG
from fastlm.tokenizers.base import TokenArray, Tokenizer
from fastlm.tokenizers.vocabulary import END, Vocabulary

__all__ = ["ByteTokenizer"]


class ByteTokenizer(Tokenizer):
    """The 256 bytes in order, after the boundary token (`<end>`), if any; no byte is unknown.

    `decode(encode(text)) == text` for every text. Ids whose bytes are not valid UTF-8, as a model
    may generate them, decode to U+FFFD. The name of a token is its character for printable ASCII,
    else `<0xNN>`.

    Parameters
    ----------
    boundary : bool
        Whether there is `<end>`, with id 0.
    """

    kind: ClassVar[str] = "byte"

    def __init__(self, *, boundary: bool = True) -> None:
        names = [chr(b) if 0x20 <= b < 0x7F else f"<0x{b:02X}>" for b in range(256)]
        self.vocabulary = Vocabulary.from_ordered([END] * boundary + names)
        self._first = int(boundary)

    def to_dict(self) -> dict[str, Any]:
        """Return kind and boundary."""
        return {"kind": self.kind, "boundary": self.boundary_id is not None}

    @classmethod
    def from_dict(cls, form: Mapping[str, Any]) -> Self:
        """Return the tokenizer of a JSON form; a TokenizerError when it is not one."""
        return cls(**cls._read(form, {"boundary": FLAG}))

    def _save_symbols(self, path: str | PathLike[str]) -> None:
        raise TokenizerError(
            "the byte vocabulary is fixed and has no vocabulary file; give a name that ends in "
            f".json to write its JSON form, not {path}"
        )

    def _encode(self, text: str) -> TokenArray:
        ids = np.frombuffer(text.encode("utf-8"), dtype=np.uint8).astype(self.dtype)
        ids += np.asarray(self._first, dtype=self.dtype)
        return ids

    def _decode(self, ids: npt.NDArray[np.int64]) -> str:
        return (ids - self._first).astype(np.uint8).tobytes().decode("utf-8", errors="replace")
