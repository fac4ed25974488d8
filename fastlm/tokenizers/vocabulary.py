"""Vocabularies: the symbols and their ids, from counts or a file, and written to a file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Self

import numpy as np
import numpy.typing as npt

from fastlm.checks import shown
from fastlm.errors import CorpusError, TokenizerError
from fastlm.limits import check_setting
from fastlm.system.atomic_file import replace_file, unwritable
from fastlm.text.reading import read_text

__all__ = [
    "CODE_POINTS",
    "COUNTED_KINDS",
    "END",
    "LINE_END",
    "LINE_END_NAME",
    "UNK",
    "Vocabulary",
    "check_limits",
    "counted_characters",
    "unknown_symbol",
]

END = "<end>"
"""The boundary token, which ends a document."""

UNK = "<unk>"
"""The special token for every symbol that is not in the vocabulary."""

LINE_END = "\n"
"""The symbol of a line end, where line ends are tokens of words."""

LINE_END_NAME = "<eos>"
"""What stands for it in a file of one symbol a line."""

COUNTED_KINDS = ("char", "word", "whitespace")
"""The kinds of tokenizer whose vocabulary is built from counts."""

CODE_POINTS = sys.maxunicode + 1
"""The number of code points of Unicode, 0x110000."""


@dataclass(frozen=True)
class Vocabulary:
    """V symbols in the order of their ids; `<end>` and `<unk>` are reserved names.

    Attributes
    ----------
    symbols : tuple of str, length V
        The special tokens stand among them as `<end>` and `<unk>`.
    boundary_id, unk_id : int or None
        The ids of the special tokens.
    index : dict of str to int
        The inverse of `symbols`.

    Raises
    ------
    TokenizerError
        For a repeated or empty symbol, a special token whose id is another, a lone surrogate, or
        fewer than two tokens besides `<end>` (there would be nothing to predict).
    """

    symbols: tuple[str, ...]
    boundary_id: int | None
    unk_id: int | None
    index: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        index = {symbol: id for id, symbol in enumerate(self.symbols)}
        if len(index) < len(self.symbols):
            twice = next(s for id, s in enumerate(self.symbols) if index[s] != id)
            raise TokenizerError(f"the vocabulary holds {shown(twice)} twice; keep one of them")
        if "" in index:
            raise TokenizerError(f"the symbol of id {index['']} is empty; take it out")
        for name, id in ((END, self.boundary_id), (UNK, self.unk_id)):
            if index.get(name) != id:
                raise TokenizerError(
                    f"{name} has id {index.get(name)} in the list of symbols but is declared as "
                    f"{id}; make them agree"
                )
        for symbol in index:
            if not symbol.isascii() and any("\ud800" <= c <= "\udfff" for c in symbol):
                raise TokenizerError(
                    f"the symbol {symbol!a} holds a lone surrogate, which is not valid Unicode "
                    "text; read the text again as valid UTF-8"
                )
        if len(index) - (self.boundary_id is not None) < 2:
            raise TokenizerError(
                f"a vocabulary of {len(index)} leaves nothing to predict; it needs at least two "
                f"tokens besides {END}: use more text or a larger vocabulary"
            )
        object.__setattr__(self, "index", index)

    @property
    def ordinary(self) -> dict[str, int]:
        """The ids of all symbols but the special tokens."""
        return {s: id for s, id in self.index.items() if id not in (self.boundary_id, self.unk_id)}

    @classmethod
    def from_counts(
        cls,
        counts: Mapping[str, int],
        *,
        min_count: int = 1,
        max_vocab: int | None = None,
        boundary: bool = True,
        unk: bool = True,
    ) -> Self:
        """Return a vocabulary of the special tokens, then the symbols by (-count, symbol).

        Parameters
        ----------
        counts : mapping of symbol to the number of times it occurs
        min_count : int, at least 1
            Symbols seen fewer times are left to `<unk>`.
        max_vocab : int, optional
            The largest number of tokens, special tokens included.
        boundary, unk : bool
            Whether `<end>` and `<unk>` are there.

        Raises
        ------
        TokenizerError
            For a limit out of range, text of no symbol or of one, limits that leave no symbol,
            and limits that drop symbols without `<unk>` to stand for them.
        """
        min_count, max_vocab = check_limits(min_count, max_vocab)
        counts = {s: n for s, n in counts.items() if s not in (END, UNK)}
        specials = [END] * boundary + [UNK] * unk
        if max_vocab is not None and max_vocab - len(specials) < 1:
            raise TokenizerError(
                f"max_vocab {max_vocab} leaves no room for a symbol beside the special tokens "
                f"({', '.join(specials)}); use at least {len(specials) + 1}"
            )
        if not counts:
            raise TokenizerError("the text holds no symbol to build a vocabulary from; use more")
        if len(counts) == 1:
            raise TokenizerError(
                f"the text holds one symbol only, {shown(next(iter(counts)))}, so there is nothing "
                "to learn; use text with at least two different symbols"
            )
        # The second sort keeps the order of equals: both take half the time of one by pairs.
        kept = sorted(s for s, n in counts.items() if n >= min_count)
        kept.sort(key=counts.__getitem__, reverse=True)
        if not kept:
            raise TokenizerError(
                f"min_count {min_count} leaves no symbol: the most frequent occurs "
                f"{max(counts.values())} times; use a smaller min_count"
            )
        if max_vocab is not None:
            kept = kept[: max_vocab - len(specials)]
        if not unk and len(kept) < len(counts):
            raise TokenizerError(
                f"min_count {min_count} and max_vocab {max_vocab} drop {len(counts) - len(kept)} "
                f"symbols, but this vocabulary has no {UNK} to stand for them; raise the limits"
            )
        return cls(
            symbols=(*specials, *kept),
            boundary_id=0 if boundary else None,
            unk_id=int(boundary) if unk else None,
        )

    @classmethod
    def from_symbols(
        cls, symbols: Iterable[str], *, boundary: bool = True, unk: bool = True
    ) -> Self:
        """Return a vocabulary in the order given, the special tokens it lacks put first."""
        given = list(symbols)
        missing = [END] * (boundary and END not in given) + [UNK] * (unk and UNK not in given)
        return cls.from_ordered([*missing, *given])

    @classmethod
    def from_ordered(cls, symbols: Iterable[str]) -> Self:
        """Return a vocabulary of exactly these symbols; special tokens are known by name."""
        ordered = tuple(symbols)
        if not all(isinstance(symbol, str) for symbol in ordered):
            raise TokenizerError("the tokenizer's symbols must be a list of strings")
        return cls(
            symbols=ordered,
            boundary_id=ordered.index(END) if END in ordered else None,
            unk_id=ordered.index(UNK) if UNK in ordered else None,
        )

    @classmethod
    def from_file(
        cls,
        path: str | PathLike[str],
        read_line: Callable[[str], str],
        *,
        boundary: bool = True,
        unk: bool = True,
    ) -> Self:
        """Read one symbol a line, UTF-8, in the order of the ids.

        Parameters
        ----------
        path : path
        read_line : function of a line to its symbol
            Raises TokenizerError for a line that is no symbol. It never gets `<end>` or `<unk>`.
        boundary, unk : bool
            Whether `<end>` and `<unk>` must be there; those that are not in the file come first.

        Raises
        ------
        TokenizerError
            For a file that cannot be read, and, with the number of the line, for an empty line,
            a line that is no symbol, a repeated symbol, and a special token that is not wanted.
        """
        try:
            text = read_text(path)
        except CorpusError as error:
            raise TokenizerError(f"vocabulary file: {error}") from None
        first_line: dict[str, int] = {}
        for number, line in enumerate(text.removesuffix("\n").split("\n"), start=1):
            where = f"{path}, line {number}"
            if not line:
                raise TokenizerError(f"{where}: the line is empty; write one symbol a line")
            if (line == END and not boundary) or (line == UNK and not unk):
                raise TokenizerError(
                    f"{where}: {line} stands here, but this tokenizer is to have none; delete "
                    "the line or allow the special token"
                )
            try:
                symbol = line if line in (END, UNK) else read_line(line)
            except TokenizerError as error:
                raise TokenizerError(f"{where}: {error}") from None
            if symbol in first_line:
                raise TokenizerError(
                    f"{where}: {shown(line)} stands on line {first_line[symbol]} too; delete one"
                )
            first_line[symbol] = number
        try:
            return cls.from_symbols(first_line, boundary=boundary, unk=unk)
        except TokenizerError as error:
            raise TokenizerError(f"{path}: {error}") from None

    def to_file(self, path: str | PathLike[str], write_line: Callable[[str], str] = str) -> None:
        """Write one symbol a line, UTF-8, special tokens included, as `from_file` reads it."""
        lines = (s if s in (END, UNK) else write_line(s) for s in self.symbols)
        try:
            replace_file(path, ["".join(f"{line}\n" for line in lines).encode("utf-8")])
        except (OSError, ValueError) as error:
            raise TokenizerError(unwritable("vocabulary", path, error)) from None


def check_limits(min_count: int, max_vocab: int | None) -> tuple[int, int | None]:
    """Return both limits as ints; raise a TokenizerError unless they are at least 1."""
    return (
        check_setting("min_count", min_count, error=TokenizerError),
        check_setting("max_vocab", max_vocab, error=TokenizerError),
    )


def counted_characters(counts: npt.NDArray[np.int64]) -> dict[str, int]:
    """Return the counts of the characters that occurred; counts : int64[CODE_POINTS]."""
    return {chr(code): int(counts[code]) for code in np.flatnonzero(counts).tolist()}


def unknown_symbol(symbol: str, known: int) -> TokenizerError:
    """Return the error for a symbol that is not in a vocabulary of ``known`` without `<unk>`.

    ``symbol`` is shown as it is: quoted, and with its place if that is known.
    """
    return TokenizerError(
        f"{symbol} is not among the {known} symbols of the vocabulary, which has no {UNK}; take it "
        "out of the text or use a vocabulary that has it"
    )
