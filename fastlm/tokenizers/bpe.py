"""The `bpe` tokenizer: byte pair encoding by the `tokenizers` library, learnt or from its files.

Byte pair encoding (Sennrich, Haddow, Birch 2016) over bytes (Radford et al. 2019): every text can
be encoded, and decoding is exact. The library is an extra, `fastlm[bpe]`, imported when needed.

It uses all processors (TOKENIZERS_PARALLELISM=false keeps it to one). A process that is forked
after that gets one processor and a warning from the library; fastlm never forks.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from os import PathLike
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

from fastlm.checks import check_texts
from fastlm.errors import TokenizerError
from fastlm.system.json_values import OBJECT
from fastlm.text.documents import is_one_document, split_documents
from fastlm.tokenizers.base import TokenArray, Tokenizer, iter_texts
from fastlm.tokenizers.library import (
    call_library,
    load_library_tokenizer,
    tokenizers_library,
)
from fastlm.tokenizers.safe_cut import cut_text
from fastlm.tokenizers.vocabulary import END, UNK, Vocabulary

__all__ = ["DEFAULT_BPE_VOCAB", "BpeTokenizer", "is_library_form", "train_bpe"]

DEFAULT_BPE_VOCAB = 8192

PART = 1 << 14
"""Characters in a part of a text. The library spreads a list of parts over the processors, and
holds 256 of them in memory while it trains."""

PARTS = 64
"""Parts in a list, so that memory does not grow with the text."""


class BpeTokenizer(Tokenizer):
    """A tokenizer of the `tokenizers` library.

    What looks like a special token in a text is encoded as any other text, `<end>` included.
    Names of tokens are those of the library (`Ġ` stands for a space before a token).

    Parameters
    ----------
    library_form : mapping
        The JSON of a tokenizer file of the library. Padding, truncation and dropout in it have no
        effect.
    boundary : bool
        Whether there must be `<end>`; if it is missing, it becomes the last token.

    Raises
    ------
    TokenizerError
        When the library cannot read the form, and for ids that are not 0 .. V-1.
    MissingLibraryError
        When the library is not installed.
    """

    kind: ClassVar[str] = "bpe"

    def __init__(self, library_form: Mapping[str, Any], *, boundary: bool = False) -> None:
        library = load_library_tokenizer(library_form)
        if boundary and library.token_to_id(END) is None:
            library.add_special_tokens([END])
        library.encode_special_tokens = True
        self._library = library
        self._form: dict[str, Any] = json.loads(library.to_str())
        self.vocabulary = _vocabulary(library, self._form)
        self._is_byte_level = (self._form.get("decoder") or {}).get("type") == "ByteLevel"
        self.may_cut_before_space = _cuts_before_space(self._form)

    @property
    def decodes_independently(self) -> bool:
        """Whether the tokens are bytes; other decoders of the library join words."""
        return self._is_byte_level

    def to_dict(self) -> dict[str, Any]:
        """Return kind and the library's JSON."""
        return {"kind": self.kind, "tokenizer": self._form}

    @classmethod
    def from_dict(cls, form: Mapping[str, Any]) -> Self:
        """Return the tokenizer of a JSON form; a TokenizerError when it is not one."""
        return cls(cls._read(form, {"tokenizer": OBJECT})["tokenizer"])

    def stable_text(self, ids: list[int]) -> str:
        """Return the text of `ids`, without the last token where the next may change it."""
        if self._is_byte_level:
            return super().stable_text(ids)
        return self.decode(ids[:-1]).rstrip("\ufffd ")

    def _save_symbols(self, path: str | PathLike[str]) -> None:
        raise TokenizerError(
            f"a bpe vocabulary is more than a list of symbols; give a name that ends in .json, "
            f"not {path}"
        )

    def _encode(self, text: str) -> TokenArray:
        if len(text) <= PART or not self.may_cut_before_space:
            with _encoding():
                ids = self._library.encode(text, add_special_tokens=False).ids
            return self._without_boundary(np.array(ids, dtype=self.dtype))
        arrays: list[TokenArray] = []
        parts = list(cut_text(self, text, PART))
        for first in range(0, len(parts), PARTS):
            with _encoding():
                batch = self._library.encode_batch_fast(
                    parts[first : first + PARTS], add_special_tokens=False
                )
            arrays += (np.array(encoding.ids, dtype=self.dtype) for encoding in batch)
        return self._without_boundary(np.concatenate(arrays))

    def offsets(self, text: str) -> NDArray[np.int64]:
        """Return the first character of each token of a text and the one after, int64[T, 2]."""
        starts, spans = [0], [np.empty((0, 2), dtype=np.int64)]
        parts = [text]
        if self.may_cut_before_space and len(text) > PART:
            parts = list(cut_text(self, text, PART))
        for part in parts:
            with _encoding():
                found = self._library.encode(part, add_special_tokens=False).offsets
            spans.append(np.array(found, dtype=np.int64).reshape(-1, 2) + starts[-1])
            starts.append(starts[-1] + len(part))
        return np.concatenate(spans)

    def _without_boundary(self, ids: TokenArray) -> TokenArray:
        # A vocabulary from a file may have <end> as a word like any other.
        if self.boundary_id is not None and (ids == self.boundary_id).any():
            if self.unk_id is None:
                raise TokenizerError(
                    f"the text holds {END}, which this vocabulary reads as the end of a document; "
                    "take it out of the text"
                )
            ids[ids == self.boundary_id] = self.unk_id
        return ids

    def _decode(self, ids: npt.NDArray[np.int64]) -> str:
        with call_library("cannot decode these tokens", "use another tokenizer"):
            text: str = self._library.decode(ids.tolist(), skip_special_tokens=False)
        return text


def _encoding() -> AbstractContextManager[None]:
    return call_library("cannot encode the text", "change the text, or use another tokenizer")


def train_bpe(
    texts: Iterable[str] | Iterable[bytes],
    *,
    max_vocab: int | None = None,
    min_count: int = 1,
    boundary: bool = True,
    documents: str = "file",
) -> BpeTokenizer:
    r"""Train a byte-level tokenizer on a stream of text, on all processors.

    Parameters
    ----------
    texts : iterable of str, or of bytes in UTF-8
        Read once. Memory grows only with the number of distinct words. A stream in blocks gives
        what the whole text gives if it is cut with ``safe_cut("bpe", ...)``.
    max_vocab : int, optional
        The number of tokens, `<end>` and the 256 bytes included; fewer if the text has too few
        pairs to merge. Default 8,192.
    min_count : int
        Pairs seen fewer times, or only once, are not merged.
    boundary : bool
        Whether there is `<end>`, with id 0.
    documents : {"file", "lines", "paragraphs", "stream"}
        What is not part of a document (see `split_documents`) is not learnt.

    Raises
    ------
    TokenizerError
        When the library is not installed, for a `max_vocab` that has no room for the bytes, and
        when there is no text.
    """
    check_texts(texts, TokenizerError)
    decoded = (text.decode("utf-8") if isinstance(text, bytes) else text for text in texts)
    parts = (
        decoded
        if is_one_document(documents)
        else (document for text in decoded for document in split_documents(text, documents))
    )
    return BpeTokenizer(_train_library(parts, min_count, max_vocab, boundary))


def is_library_form(form: Any) -> bool:
    """Tell whether this looks like the JSON of a tokenizer file of the library."""
    return isinstance(form, dict) and "kind" not in form and isinstance(form.get("model"), dict)


def _train_library(
    texts: Iterable[str], min_count: int, max_vocab: int | None, boundary: bool
) -> dict[str, Any]:
    library = tokenizers_library()
    size = DEFAULT_BPE_VOCAB if max_vocab is None else max_vocab
    if size < 256 + boundary:
        raise TokenizerError(
            f"max_vocab {size} has no room for the 256 bytes{' and ' + END if boundary else ''}; "
            f"use at least {256 + boundary}"
        )
    byte_level = library.pre_tokenizers.ByteLevel
    tokenizer = library.Tokenizer(library.models.BPE())
    tokenizer.pre_tokenizer = byte_level(add_prefix_space=False)
    tokenizer.decoder = library.decoders.ByteLevel()
    trainer = library.trainers.BpeTrainer(
        vocab_size=size,
        # A pair that occurs once would make a token that is used once.
        min_frequency=max(min_count, 2),
        special_tokens=[END] * boundary,
        initial_alphabet=byte_level.alphabet(),
        show_progress=False,
    )
    has_text = False

    def parts() -> Iterator[str]:
        nonlocal has_text
        for text in iter_texts(texts):
            has_text = has_text or bool(text)
            yield from cut_text("bpe", text, PART)

    tokenizer.train_from_iterator(parts(), trainer)
    if not has_text:
        raise TokenizerError("there is no text to learn a bpe vocabulary from; use more")
    form: dict[str, Any] = json.loads(tokenizer.to_str())
    return form


def _vocabulary(library: Any, form: Mapping[str, Any]) -> Vocabulary:
    ids: dict[str, int] = library.get_vocab(with_added_tokens=True)
    symbols = sorted(ids, key=ids.__getitem__)
    if [ids[symbol] for symbol in symbols] != list(range(len(symbols))):
        raise TokenizerError(
            f"the {len(symbols)} tokens of this tokenizer do not have the ids 0 to "
            f"{len(symbols) - 1}; renumber them"
        )
    unknown = form["model"].get("unk_token")
    if isinstance(unknown, str) and unknown in ids and UNK not in ids:
        symbols[ids[unknown]] = UNK
    return Vocabulary.from_ordered(symbols)


def _cuts_before_space(form: Mapping[str, Any]) -> bool:
    """Tell whether a text cut between a visible character and white space keeps its tokens.

    That is true of the byte-level pattern alone, which sees only the characters of a pre-token.
    """
    pattern = form.get("pre_tokenizer") or {}
    return (
        form.get("normalizer") is None
        and pattern.get("type") == "ByteLevel"
        and pattern.get("add_prefix_space") is False
        and pattern.get("use_regex", True) is True
        and all(token.get("special") for token in form.get("added_tokens", ()))
    )
