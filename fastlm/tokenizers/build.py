"""Which tokenizer is meant by this name, this vocabulary file or this JSON form?"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastlm.errors import CorpusError, TokenizerError
from fastlm.text.reading import read_text
from fastlm.tokenizers.base import Tokenizer
from fastlm.tokenizers.bpe import BpeTokenizer, is_library_form, train_bpe
from fastlm.tokenizers.byte import ByteTokenizer
from fastlm.tokenizers.char import CharTokenizer
from fastlm.tokenizers.counting import count_symbols
from fastlm.tokenizers.vocabulary import COUNTED_KINDS, Vocabulary, check_limits
from fastlm.tokenizers.whitespace import WhitespaceTokenizer
from fastlm.tokenizers.word import WordTokenizer

if TYPE_CHECKING:
    pass

__all__ = [
    "TOKENIZER_KINDS",
    "build_tokenizer",
    "build_tokenizer_from_counts",
    "tokenizer_from_dict",
]

_CLASSES: dict[str, type[Tokenizer]] = {
    cls.kind: cls
    for cls in (CharTokenizer, WordTokenizer, WhitespaceTokenizer, ByteTokenizer, BpeTokenizer)
}


TOKENIZER_KINDS = tuple(_CLASSES)
"""The kinds of tokenizer there are."""


def build_tokenizer(
    kind: str,
    texts: Iterable[str] = (),
    *,
    min_count: int = 1,
    max_vocab: int | None = None,
    vocab_file: str | PathLike[str] | None = None,
    boundary: bool = True,
    unk: bool = True,
    lowercase: bool = False,
    pattern: str = "unicode",
) -> Tokenizer:
    """Build a tokenizer from texts, or from a vocabulary file.

    Parameters
    ----------
    kind : {"char", "word", "whitespace", "byte", "bpe"}
    texts : iterable of str
        Counted to build the vocabulary; read once. Not read when there is a vocabulary file or
        for `byte`.
    min_count : int
        Symbols seen fewer times become `<unk>`; for `bpe` see `train_bpe`.
    max_vocab : int, optional
        At most so many tokens in total, specials included; for `bpe` the default is 8,192.
    vocab_file : path, optional
        One symbol a line, or, when the name ends in .json, a tokenizer's JSON form. For `bpe` a
        file of the `tokenizers` library will do, too.
    boundary, unk : bool
        Whether there is `<end>`, which ends a document, and `<unk>`. Without `<unk>`, unknown
        text is an error. `byte` and `bpe` have no `<unk>` of their own.
    lowercase : bool
        Read `text.lower()` in place of text.
    pattern : {"unicode", "mini"}
        How `word` cuts text.

    Raises
    ------
    TokenizerError
        For an unknown kind, a setting that the kind does not have or that contradicts the
        vocabulary file, and see `Vocabulary`.
    """
    _check_settings(kind, min_count, max_vocab, vocab_file, lowercase, pattern)
    if vocab_file is not None and Path(vocab_file).suffix.lower() == ".json":
        return _from_json_file(kind, vocab_file, boundary, unk, lowercase, pattern)
    if kind == "byte":
        if vocab_file is not None:
            raise TokenizerError(
                f"the byte vocabulary is fixed, so {vocab_file} cannot be its vocabulary file; "
                "leave it out"
            )
        return ByteTokenizer(boundary=boundary)
    if kind == "bpe":
        if vocab_file is not None:
            raise TokenizerError(
                f"a bpe vocabulary file is JSON, written by save_vocab or the tokenizers library, "
                f"and its name ends in .json; {vocab_file} does not"
            )
        return train_bpe(texts, min_count=min_count, max_vocab=max_vocab, boundary=boundary)

    options: dict[str, Any] = {"boundary": boundary, "unk": unk, "lowercase": lowercase}
    if kind == "word":
        options["pattern"] = pattern
    if vocab_file is not None:
        cls: Any = _CLASSES[kind]
        tokenizer: Tokenizer = cls.from_vocab_file(vocab_file, **options)
        return tokenizer
    counts = count_symbols(texts, kind, lowercase, pattern)
    return build_tokenizer_from_counts(
        kind, counts, min_count=min_count, max_vocab=max_vocab, **options
    )


def build_tokenizer_from_counts(
    kind: str,
    counts: Mapping[str, int],
    *,
    min_count: int = 1,
    max_vocab: int | None = None,
    boundary: bool = True,
    unk: bool = True,
    lowercase: bool = False,
    pattern: str = "unicode",
) -> Tokenizer:
    """Build the tokenizer that `build_tokenizer` gives for texts with these counts.

    Parameters
    ----------
    kind : {"char", "word", "whitespace"}
    counts : mapping of symbol to the number of times it occurs
        Of text that was read with the same `lowercase` and `pattern`.
    min_count, max_vocab, boundary, unk, lowercase, pattern
        As for `build_tokenizer`.

    Raises
    ------
    TokenizerError
        As `build_tokenizer`, and for a kind whose vocabulary does not come from counts.
    """
    if kind not in COUNTED_KINDS:
        raise TokenizerError(
            f"the kinds built from counts are {', '.join(COUNTED_KINDS)}, got {kind!r}; use "
            "build_tokenizer"
        )
    _check_settings(kind, min_count, max_vocab, None, lowercase, pattern)
    vocabulary = Vocabulary.from_counts(
        counts, min_count=min_count, max_vocab=max_vocab, boundary=boundary, unk=unk
    )
    if kind == "char":
        return CharTokenizer(vocabulary, lowercase=lowercase)
    if kind == "word":
        return WordTokenizer(vocabulary, lowercase=lowercase, pattern=pattern)
    return WhitespaceTokenizer(vocabulary, lowercase=lowercase)


def tokenizer_from_dict(form: Mapping[str, Any]) -> Tokenizer:
    """Return the tokenizer of a JSON form (`Tokenizer.to_dict`).

    Raises
    ------
    TokenizerError
        When it is not the JSON form of any tokenizer.
    """
    if not isinstance(form, Mapping):
        raise TokenizerError(f"a tokenizer's JSON form is an object, got {type(form).__name__}")
    kind = form.get("kind")
    _check_kind(kind)
    return _CLASSES[str(kind)].from_dict(form)


def _check_settings(
    kind: str,
    min_count: int,
    max_vocab: int | None,
    vocab_file: str | PathLike[str] | None,
    lowercase: bool,
    pattern: str,
) -> None:
    _check_kind(kind)
    check_limits(min_count, max_vocab)
    limits = {"min_count": min_count, "max_vocab": max_vocab}
    if pattern != "unicode" and kind != "word":
        raise TokenizerError(f"pattern {pattern!r} is for the word tokenizer, not for {kind}")
    if kind == "byte" or vocab_file is not None:
        why = "with a vocabulary file" if vocab_file is not None else "with the byte tokenizer"
        for name, value in limits.items():
            if value != (1 if name == "min_count" else None):
                raise TokenizerError(f"{name} {value} has no effect {why}; leave it out")
    if kind == "byte" and lowercase:
        raise TokenizerError("the byte tokenizer keeps every byte; leave lowercase out")
    if kind == "bpe" and lowercase:
        raise TokenizerError("the bpe tokenizer keeps the case of letters; leave lowercase out")


def _check_kind(kind: object) -> None:
    if kind not in TOKENIZER_KINDS:
        raise TokenizerError(
            f"the tokenizer must be one of {', '.join(TOKENIZER_KINDS)}, got {kind!r}"
        )


def _from_json_file(
    kind: str,
    path: str | PathLike[str],
    boundary: bool,
    unk: bool,
    lowercase: bool,
    pattern: str,
) -> Tokenizer:
    try:
        form = json.loads(read_text(path))
    except CorpusError as error:
        raise TokenizerError(f"vocabulary file: {error}") from None
    except (json.JSONDecodeError, RecursionError) as error:
        raise TokenizerError(f"{path} is not JSON: {error}; write it with save_vocab") from None
    if is_library_form(form) and kind != "bpe":
        raise TokenizerError(
            f"{path} is a file of the tokenizers library, not a {kind} vocabulary; choose the "
            "tokenizer bpe"
        )
    try:
        tokenizer = (
            BpeTokenizer(form, boundary=boundary)
            if is_library_form(form)
            else tokenizer_from_dict(form)
        )
    except TokenizerError as error:
        raise TokenizerError(f"{path}: {error}") from None
    contradictions = {
        f"kind {kind!r}": tokenizer.kind != kind,
        "boundary=False": not boundary and tokenizer.boundary_id is not None,
        "unk=False": not unk and tokenizer.unk_id is not None and kind != "bpe",
        "lowercase=True": lowercase and not getattr(tokenizer, "lowercase", False),
        f"pattern={pattern!r}": pattern not in ("unicode", getattr(tokenizer, "pattern", pattern)),
    }
    for setting, contradicts in contradictions.items():
        if contradicts:
            raise TokenizerError(f"{setting} contradicts the tokenizer in {path}; leave it out")
    return tokenizer
