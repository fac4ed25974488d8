"""The interface of all tokenizers: text to ids and back, and the tokenizer to JSON and back."""

from __future__ import annotations

import hashlib
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from fastlm.checks import check_texts
from fastlm.errors import TokenizerError
from fastlm.system.atomic_file import replace_file, unwritable
from fastlm.system.json_values import FLAG, LIST, Kind, one_of, read_object
from fastlm.tokenizers.vocabulary import Vocabulary

__all__ = ["CountedTokenizer", "TokenArray", "Tokenizer", "iter_texts"]


TokenArray: TypeAlias = npt.NDArray[np.unsignedinteger[Any]]
"""Token ids: uint16[T] or uint32[T]."""


def iter_texts(texts: Iterable[str]) -> Iterator[str]:
    """Yield each text after checking that it is a str.

    Raises
    ------
    TokenizerError
        For one str in place of an iterable of them, and for an item that is not a str or holds a
        lone surrogate (see `Tokenizer.encode`).
    """
    check_texts(texts, TokenizerError)
    for number, text in enumerate(texts):
        if not isinstance(text, str):
            raise TokenizerError(
                f"text {number} is {type(text).__name__}, not str; decode or convert it first"
            )
        _check_surrogates(text)
        yield text


class Tokenizer(ABC):
    """Text to token ids and back, over a fixed vocabulary of V tokens.

    A tokenizer is immutable. Two are equal when their JSON forms are, but for `spacing`, which
    changes no id.

    Attributes
    ----------
    kind : str
        The name that `build_tokenizer` and the command line know it by.
    vocabulary : Vocabulary
        The V tokens in the order of their ids, the special tokens included.
    lowercase : bool
        Whether `text.lower()` is read in place of the text.
    """

    kind: ClassVar[str]
    vocabulary: Vocabulary
    lowercase: bool = False

    @property
    def vocab_size(self) -> int:
        """V, the number of ids, the special tokens included."""
        return len(self.vocabulary.symbols)

    @property
    def description(self) -> str:
        """The kind, the size, and the beginning of the fingerprint, for messages."""
        return (
            f"{self.kind} of {self.vocab_size:,} tokens with fingerprint {self.fingerprint()[:12]}"
        )

    @property
    def boundary_id(self) -> int | None:
        """The id of the boundary token (`<end>`), which ends a document, or None."""
        return self.vocabulary.boundary_id

    @property
    def unk_id(self) -> int | None:
        """The id of `<unk>`, which stands for all that is not in the vocabulary, or None."""
        return self.vocabulary.unk_id

    @property
    def dtype(self) -> np.dtype[Any]:
        """uint16 when V <= 65,536, else uint32."""
        return np.dtype(np.uint16 if self.vocab_size <= 65536 else np.uint32)

    @property
    def decodes_independently(self) -> bool:
        """Whether tokens decoded one by one give the text of all of them.

        Characters that several tokens make up are left out of account.
        """
        return True

    def encode(self, text: str) -> TokenArray:
        """Return the ids of one text, dtype[T]. `boundary_id` is never among them.

        Raises
        ------
        TokenizerError
            When `text` is not a str, holds a lone surrogate (U+D800 to U+DFFF, which is no
            character), or holds something unknown to a vocabulary that has no `<unk>`.
        """
        if not isinstance(text, str):
            raise TokenizerError(
                f"can only encode str, got {type(text).__name__}; decode or convert it first"
            )
        _check_surrogates(text)
        return self._encode(text)

    def encode_documents(self, texts: Iterable[str]) -> TokenArray:
        """Return the ids of all documents, dtype[T], each with the boundary token, if any."""
        end = np.array([] if self.boundary_id is None else [self.boundary_id], dtype=self.dtype)
        parts = [np.empty(0, dtype=self.dtype)]
        for text in iter_texts(texts):
            parts += (self._encode(text), end)
        return np.concatenate(parts)

    def decode(self, ids: Sequence[int] | npt.NDArray[Any], *, boundary: str | None = None) -> str:
        """Return the text of `ids`.

        Parameters
        ----------
        ids : sequence of int or integer[T]
        boundary : str, optional
            The text of each boundary token. By default they are dropped, and the tokens before
            and after them are decoded as one sequence.

        Raises
        ------
        TokenizerError
            When an id is not an integer in 0 .. V-1.
        """
        array = self._check_ids(ids)
        if self.boundary_id is None:
            return self._decode(array)
        at_end = array == self.boundary_id
        if boundary is None:
            return self._decode(array[~at_end])
        starts = [0, *(np.flatnonzero(at_end) + 1).tolist()]
        stops = [*np.flatnonzero(at_end).tolist(), len(array)]
        return boundary.join(
            self._decode(array[start:stop]) for start, stop in zip(starts, stops, strict=True)
        )

    def stable_text(self, ids: list[int]) -> str:
        """Return the text of `ids` (at least one) as far as no later token can change it."""
        return self.decode(ids).rstrip("\ufffd")

    def token(self, id: int) -> str:
        """Return the name of the token with this id; a TokenizerError when there is none."""
        return self.vocabulary.symbols[int(self._check_ids([id])[0])]

    def id_of(self, token: str) -> int | None:
        """Return the id of the token with this name, or None when there is none."""
        return self.vocabulary.index.get(token)

    def ids_matching(self, pattern: re.Pattern[str]) -> tuple[int, ...]:
        """Return the ids of the ordinary tokens in whose text a pattern is found; kept."""
        if pattern not in self._matching:
            special = (self.boundary_id, self.unk_id)
            self._matching[pattern] = tuple(
                id
                for id in range(self.vocab_size)
                if id not in special and pattern.search(self._text_of(id))
            )
        return self._matching[pattern]

    @cached_property
    def _matching(self) -> dict[re.Pattern[str], tuple[int, ...]]:
        return {}

    def _text_of(self, id: int) -> str:
        return self._decode(np.array([id]))

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Return all that `tokenizer_from_dict` needs, in types that JSON has."""

    @classmethod
    @abstractmethod
    def from_dict(cls, form: Mapping[str, Any]) -> Self:
        """Return the tokenizer of a JSON form; a TokenizerError when it is not one."""

    @classmethod
    def _read(
        cls, form: Mapping[str, Any], kinds: Mapping[str, Kind], optional: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """Return the values of a JSON form of this kind, after checking them."""
        kinds = {"kind": one_of(cls.kind), **kinds}
        what = f"the {cls.kind} tokenizer's JSON form"
        values = read_object(form, what, kinds, TokenizerError, optional=optional)
        del values["kind"]
        return values

    def save_vocab(self, path: str | PathLike[str]) -> None:
        """Write the vocabulary to a file that `build_tokenizer(vocab_file=...)` reads.

        A name that ends in .json gets the JSON form, with all options. Any other gets one symbol
        a line, in the order of the ids, and the options must be given again on reading.

        Raises
        ------
        TokenizerError
            When the file cannot be written, and for `byte` and `bpe` when its name does not end
            in .json.
        """
        if Path(path).suffix.lower() != ".json":
            self._save_symbols(path)
            return
        try:
            replace_file(path, [f"{_canonical_json(self.to_dict())}\n".encode("ascii")])
        except (OSError, ValueError) as error:
            raise TokenizerError(unwritable("tokenizer", path, error)) from None

    def fingerprint(self) -> str:
        """Return the SHA-256 (hex) of the JSON form with sorted keys and no white space.

        `spacing`, which changes no id, is left out.
        """
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        return hashlib.sha256(_canonical_json(self._form_of_ids()).encode("ascii")).hexdigest()

    def _form_of_ids(self) -> dict[str, Any]:
        """Return the part of the JSON form that decides about ids."""
        return self.to_dict()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tokenizer):
            return NotImplemented
        return self._form_of_ids() == other._form_of_ids()

    def __hash__(self) -> int:
        return hash(self.fingerprint())

    def __reduce__(self) -> tuple[Any, ...]:
        # The JSON form is complete; lookup tables are made again.
        return type(self).from_dict, (self.to_dict(),)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(vocab_size={self.vocab_size})"

    @abstractmethod
    def _save_symbols(self, path: str | PathLike[str]) -> None:
        """Write one symbol a line, or raise a TokenizerError where that says too little."""

    @abstractmethod
    def _encode(self, text: str) -> TokenArray:
        """Encode a str that holds no lone surrogate."""

    @abstractmethod
    def _decode(self, ids: npt.NDArray[np.int64]) -> str:
        """Decode int64[T], all in range, none of them the boundary token."""

    def _check_ids(self, ids: Sequence[int] | npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        try:
            array = np.asarray(ids)
        except ValueError:
            raise TokenizerError("token ids must be one flat sequence of integers") from None
        if array.ndim != 1:
            raise TokenizerError(
                f"token ids must be one flat sequence, got an array of shape {array.shape}"
            )
        if array.size == 0:
            return np.empty(0, dtype=np.int64)
        if array.dtype.kind not in "iu":
            raise TokenizerError(f"token ids must be integers, got {array.dtype}")
        outside = (array < 0) | (array >= self.vocab_size)
        if outside.any():
            raise TokenizerError(
                f"token id {array[outside][0]} is outside 0 .. {self.vocab_size - 1}, "
                f"the ids of this {self.kind} vocabulary; use ids made by the same tokenizer"
            )
        return array.astype(np.int64)


class CountedTokenizer(Tokenizer):
    """A tokenizer over symbols that were counted in a text: `char`, `word` or `whitespace`."""

    form_kinds: ClassVar[Mapping[str, Kind]] = {"lowercase": FLAG}
    """The settings that stand in the JSON form besides the symbols, and what they may be."""

    def __init__(self, vocabulary: Vocabulary, *, lowercase: bool = False) -> None:
        self.vocabulary = vocabulary
        self.lowercase = lowercase

    def to_dict(self) -> dict[str, Any]:
        """Return kind, settings and symbols."""
        settings = {name: getattr(self, name) for name in self.form_kinds}
        return {"kind": self.kind, **settings, "symbols": list(self.vocabulary.symbols)}

    @classmethod
    def from_dict(cls, form: Mapping[str, Any]) -> Self:
        """Return the tokenizer of a JSON form; a TokenizerError when it is not one."""
        settings = cls._read(form, {**cls.form_kinds, "symbols": LIST})
        return cls(Vocabulary.from_ordered(settings.pop("symbols")), **settings)

    def ids_matching(self, pattern: re.Pattern[str]) -> tuple[int, ...]:
        """See ``Tokenizer.ids_matching``; one search tells that there are none, as in words."""
        found = pattern.search("\0".join(self.vocabulary.symbols))
        return () if found is None else super().ids_matching(pattern)

    def _text_of(self, id: int) -> str:
        return self.vocabulary.symbols[id]

    def _save_symbols(self, path: str | PathLike[str]) -> None:
        self.vocabulary.to_file(path)


def _canonical_json(form: Mapping[str, Any]) -> str:
    return json.dumps(form, sort_keys=True, separators=(",", ":"))


def _check_surrogates(text: str) -> None:
    if text.isascii():
        return
    # A megabyte at a time, so that a large text is not held a second time.
    for start in range(0, len(text), 1 << 20):
        try:
            text[start : start + (1 << 20)].encode("utf-8")
        except UnicodeEncodeError as error:
            at = start + error.start
            raise TokenizerError(
                f"the text holds a lone surrogate U+{ord(text[at]):04X} at character {at}, which "
                "is not valid Unicode text; read the text again as valid UTF-8"
            ) from None
