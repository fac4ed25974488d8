"""Making a tokenizer: from texts, counts, a vocabulary file or a JSON form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from fastlm.checks import check_choice, shown
from fastlm.errors import CorpusError, TokenizerError
from fastlm.system.json_values import parse_json
from fastlm.text.reading import read_text
from fastlm.tokenizers.base import Tokenizer, iter_texts
from fastlm.tokenizers.bpe import BpeTokenizer, is_library_form, train_bpe
from fastlm.tokenizers.byte import ByteTokenizer
from fastlm.tokenizers.char import CharTokenizer, character_of_line
from fastlm.tokenizers.counting import count_symbols
from fastlm.tokenizers.vocabulary import (
    COUNTED_KINDS,
    LINE_END,
    LINE_END_NAME,
    Vocabulary,
    check_limits,
)
from fastlm.tokenizers.whitespace import WhitespaceTokenizer
from fastlm.tokenizers.word import WordTokenizer
from fastlm.tokenizers.words.spacing import SAMPLE_BYTES
from fastlm.tokenizers.words.splitter import Splitter
from fastlm.wording import setting

__all__ = [
    "LINE_END_KINDS",
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
"""The kinds of tokenizer."""


LINE_END_KINDS = ("word", "whitespace")
"""The kinds to which line ends are nothing but white space, unless they are asked for."""


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
    line_ends: bool = False,
) -> Tokenizer:
    """Build a tokenizer from texts, or from a vocabulary file.

    Parameters
    ----------
    kind : {"char", "word", "whitespace", "byte", "bpe"}
    texts : iterable of str
        Counted to build the vocabulary; read once. Not read with a vocabulary file or for `byte`.
    min_count : int
        Symbols seen fewer times become `<unk>`; for `bpe` see `train_bpe`.
    max_vocab : int, optional
        The largest number of tokens, special tokens included; for `bpe` the default is 8,192.
    vocab_file : path, optional
        One symbol a line, or, when the name ends in .json, a tokenizer's JSON form. For `bpe` a
        file of the `tokenizers` library, too.
    boundary, unk : bool
        Whether there is `<end>`, which ends a document, and `<unk>`. Without `<unk>`, unknown
        text is an error. `byte` and `bpe` have no `<unk>` of their own.
    lowercase : bool
        Read `text.lower()` in place of the text.
    pattern : {"unicode", "mini"}
        How `word` splits text (see `word_pattern`).
    line_ends : bool
        Read each line end as a token, for `word` and `whitespace`; the others always do. In a
        vocabulary file of one symbol a line it is `<eos>`, which is added where it is missing.

    Raises
    ------
    TokenizerError
        For an unknown kind, a setting that the kind does not have or that contradicts the
        vocabulary file, and see `Vocabulary`.
    """
    _check_settings(kind, lowercase, pattern, line_ends)
    min_count, max_vocab = check_limits(min_count, max_vocab)
    if vocab_file is not None or kind == "byte":
        why = "the byte tokenizer" if vocab_file is None else "a vocabulary file"
        for name, value, default in (("min_count", min_count, 1), ("max_vocab", max_vocab, None)):
            if value != default:
                raise TokenizerError(f"{name} {value} has no effect with {why}; leave it out")
    if vocab_file is not None:
        is_json = Path(vocab_file).suffix.lower() == ".json"
        read_file = _from_json_file if is_json else _from_symbol_file
        return read_file(vocab_file, kind, boundary, unk, lowercase, pattern, line_ends)
    if kind == "byte":
        return ByteTokenizer(boundary=boundary)
    if kind == "bpe":
        return train_bpe(texts, min_count=min_count, max_vocab=max_vocab, boundary=boundary)
    head: list[str] = []
    counts = count_symbols(_with_head(texts, head), kind, lowercase, pattern, line_ends)
    tokenizer = build_tokenizer_from_counts(
        kind, counts, min_count=min_count, max_vocab=max_vocab, boundary=boundary, unk=unk,
        lowercase=lowercase, pattern=pattern, line_ends=line_ends,
    )  # fmt: skip
    if isinstance(tokenizer, WordTokenizer):
        return tokenizer.with_spaces_of("\n\n".join(head))
    return tokenizer


def _with_head(texts: Iterable[str], head: list[str]) -> Iterator[str]:
    """Yield the texts, and keep the beginning, which words learn their spaces from."""
    left = SAMPLE_BYTES
    for text in iter_texts(texts):
        if left > 0:
            head.append(text[:left])
            left -= len(text)
        yield text


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
    line_ends: bool = False,
) -> Tokenizer:
    """Build the tokenizer that `build_tokenizer` gives for texts with these counts.

    Counts do not tell where spaces stand: `word` puts them by rule.

    Parameters
    ----------
    kind : {"char", "word", "whitespace"}
    counts : mapping of symbol to the number of times it occurs
        Of text that was read with the same `lowercase`, `pattern` and `line_ends`.
    min_count, max_vocab, boundary, unk, lowercase, pattern, line_ends
        As for `build_tokenizer`.

    Raises
    ------
    TokenizerError
        As `build_tokenizer`, and for a kind whose vocabulary does not come from counts.
    """
    if kind not in COUNTED_KINDS:
        raise TokenizerError(
            f"the kinds built from counts are {', '.join(COUNTED_KINDS)}, got {shown(kind)}; use "
            "build_tokenizer"
        )
    _check_settings(kind, lowercase, pattern, line_ends)
    if line_ends:
        counts = {**counts, LINE_END: max(counts.values(), default=0) + 1}  # it is always kept
    vocabulary = Vocabulary.from_counts(
        counts, min_count=min_count, max_vocab=max_vocab, boundary=boundary, unk=unk
    )
    return _with_vocabulary(vocabulary, kind, lowercase, pattern, line_ends)


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


def _check_kind(kind: object) -> None:
    check_choice("tokenizer", kind, TOKENIZER_KINDS, TokenizerError)


def _check_settings(kind: str, lowercase: bool, pattern: str, line_ends: bool) -> None:
    _check_kind(kind)
    if pattern != "unicode" and kind != "word":
        raise TokenizerError(f"pattern {shown(pattern)} is for the word tokenizer, not for {kind}")
    if lowercase and kind not in COUNTED_KINDS:
        raise TokenizerError(f"the {kind} tokenizer keeps the case of letters; leave lowercase out")
    if line_ends and kind not in LINE_END_KINDS:
        raise TokenizerError(f"the {kind} tokenizer reads line ends by itself; leave line_ends out")


def _with_vocabulary(
    vocabulary: Vocabulary, kind: str, lowercase: bool, pattern: str, line_ends: bool
) -> Tokenizer:
    if kind == "char":
        return CharTokenizer(vocabulary, lowercase=lowercase)
    if kind == "word":
        return WordTokenizer(vocabulary, lowercase=lowercase, pattern=pattern, line_ends=line_ends)
    return WhitespaceTokenizer(vocabulary, lowercase=lowercase, line_ends=line_ends)


def _from_symbol_file(
    path: str | PathLike[str], kind: str, boundary: bool, unk: bool, lowercase: bool, pattern: str,
    line_ends: bool,
) -> Tokenizer:  # fmt: skip
    """Read one symbol a line; for `char`, a line may be an escape."""
    if kind == "byte":
        raise TokenizerError(
            f"the byte vocabulary is fixed, so {path} cannot be its vocabulary file; leave it out"
        )
    if kind == "bpe":
        raise TokenizerError(
            "a bpe vocabulary file is JSON, written by save_vocab or the tokenizers library, and "
            f"its name ends in .json; {path} does not"
        )
    if kind == "char":
        vocabulary = Vocabulary.from_file(
            path, lambda line: character_of_line(line, lowercase), boundary=boundary, unk=unk
        )
    else:
        splitter = Splitter.of(kind, lowercase, pattern, line_ends)

        def read_line(line: str) -> str:
            is_line_end = line_ends and line == LINE_END_NAME
            return LINE_END if is_line_end else splitter.check_symbol(line)

        vocabulary = Vocabulary.from_file(path, read_line, boundary=boundary, unk=unk)
        if line_ends and LINE_END not in vocabulary.index:
            vocabulary = Vocabulary.from_ordered((*vocabulary.symbols, LINE_END))
    return _with_vocabulary(vocabulary, kind, lowercase, pattern, line_ends)


def _from_json_file(
    path: str | PathLike[str], kind: str, boundary: bool, unk: bool, lowercase: bool, pattern: str,
    line_ends: bool,
) -> Tokenizer:  # fmt: skip
    """Read a JSON form, or for `bpe` a file of the tokenizers library."""
    try:
        form = parse_json(read_text(path))
    except CorpusError as error:
        raise TokenizerError(f"vocabulary file: {error}") from None
    except ValueError as error:
        raise TokenizerError(f"{path} is not JSON: {error}; write it with save_vocab") from None
    is_library_file = is_library_form(form)
    if is_library_file and kind != "bpe":
        raise TokenizerError(
            f"{path} is a file of the tokenizers library, not a {kind} vocabulary; choose the "
            "tokenizer bpe"
        )
    try:
        tokenizer = (
            BpeTokenizer(form, boundary=boundary) if is_library_file else tokenizer_from_dict(form)
        )
    except TokenizerError as error:
        raise TokenizerError(f"{path}: {error}") from None
    contradictions = {
        f"kind {kind!r}": tokenizer.kind != kind,
        "boundary=False": not boundary and tokenizer.boundary_id is not None,
        "unk=False": not unk and tokenizer.unk_id is not None and kind != "bpe",
        "lowercase=True": lowercase and not tokenizer.lowercase,
        setting("documents", "stream"): line_ends and not getattr(tokenizer, "line_ends", False),
        f"pattern={pattern!r}": pattern not in ("unicode", getattr(tokenizer, "pattern", pattern)),
    }
    for given, contradicts in contradictions.items():
        if contradicts:
            raise TokenizerError(f"{given} contradicts the tokenizer in {path}; leave it out")
    return tokenizer
