"""The base of the `word` and `whitespace` tokenizers: text is split, then looked up."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property
from os import PathLike
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from fastlm.checks import shown
from fastlm.errors import TokenizerError
from fastlm.system.json_values import FLAG, LIST, Kind
from fastlm.tokenizers.backend import compiled_pays
from fastlm.tokenizers.base import CountedTokenizer, TokenArray
from fastlm.tokenizers.safe_cut import cut_text
from fastlm.tokenizers.vocabulary import LINE_END, LINE_END_NAME, Vocabulary, unknown_symbol
from fastlm.tokenizers.words.splitter import Splitter

if TYPE_CHECKING:
    from fastlm.tokenizers.compiled import WordEncoder
    from fastlm_kernels.text.words import SymbolTable

__all__ = ["WordLevelTokenizer"]

CHUNK = 1 << 20
"""Characters split at a time: bounds the memory of the symbols' strings."""


class WordLevelTokenizer(CountedTokenizer):
    """A tokenizer that splits text at white space or finer, and looks up each symbol.

    Attributes
    ----------
    splitter : Splitter
    pattern : str
        The splitter's.
    line_ends : bool
        The splitter's: whether line ends are tokens.

    Raises
    ------
    TokenizerError
        For a symbol of the vocabulary that the splitter can never give, and a vocabulary without
        the line end where that is a symbol.
    """

    optional_kinds: ClassVar[Mapping[str, Kind]] = {"line_ends": FLAG}
    """The settings that the JSON form may lack."""

    def __init__(self, vocabulary: Vocabulary, splitter: Splitter) -> None:
        super().__init__(vocabulary, lowercase=splitter.lowercase)
        self.splitter = splitter
        self.pattern = splitter.pattern
        self.line_ends = splitter.line_ends
        self._index = _Index(vocabulary)
        if self.line_ends and LINE_END not in self._index:
            raise TokenizerError(
                f"line ends are tokens, but the vocabulary has none; add {LINE_END_NAME} to it"
            )
        if splitter(" ".join(self._index)) != list(self._index):
            for symbol in self._index:
                splitter.check_symbol(symbol)

    def to_dict(self) -> dict[str, Any]:
        """Return kind, settings and symbols."""
        form = super().to_dict()
        # Left out where it is false: forms and fingerprints of older versions stay.
        return form | {"line_ends": True} if self.line_ends else form

    @classmethod
    def from_dict(cls, form: Mapping[str, Any]) -> Self:
        """Return the tokenizer of a JSON form; a TokenizerError when it is not one."""
        kinds = {**cls.form_kinds, **cls.optional_kinds, "symbols": LIST}
        settings = cls._read(form, kinds, tuple(cls.optional_kinds))
        return cls(Vocabulary.from_ordered(settings.pop("symbols")), **settings)

    @cached_property
    def table(self) -> SymbolTable:
        """The symbols as compiled kernels look them up."""
        from fastlm.tokenizers.symbol_table import symbol_table

        return symbol_table(self.vocabulary)

    def compiled_encoder(self, documents: str = "file") -> WordEncoder:
        """Return an encoder of blocks; several of them may share this tokenizer."""
        from fastlm.tokenizers.compiled import WordEncoder

        return WordEncoder(self, self.splitter, self.table, documents)

    @property
    def decodes_independently(self) -> bool:
        """False: the spaces around a token depend on its neighbours."""
        return False

    def stable_text(self, ids: list[int]) -> str:
        """Return the text without the last token, whose place the next one decides."""
        return self.decode(ids).removesuffix(self.token(ids[-1])).removesuffix(" ")

    def _encode(self, text: str) -> TokenArray:
        if compiled_pays(len(text)):
            encoder = self.compiled_encoder()
            return np.concatenate([encoder.encode(p.encode()) for p in cut_text(self, text, CHUNK)])
        id_of = self._index.__getitem__
        ids = [np.empty(0, dtype=self.dtype)]
        for part in cut_text(self, text, CHUNK):
            symbols = self.splitter(part)
            ids.append(np.fromiter(map(id_of, symbols), dtype=self.dtype, count=len(symbols)))
        return np.concatenate(ids)

    def _decode(self, ids: npt.NDArray[np.int64]) -> str:
        symbols = list(map(self.vocabulary.symbols.__getitem__, ids.tolist()))
        if not self.line_ends:
            return self._join(symbols)
        lines: list[list[str]] = [[]]
        for symbol in symbols:
            if symbol == LINE_END:
                lines.append([])
            else:
                lines[-1].append(symbol)
        return LINE_END.join(map(self._join, lines))

    @abstractmethod
    def _join(self, symbols: list[str]) -> str:
        """Return the text of symbols on one line."""

    def _save_symbols(self, path: str | PathLike[str]) -> None:
        if self.line_ends and LINE_END_NAME in self.vocabulary.index:
            raise TokenizerError(
                f"{LINE_END_NAME} is a word of this vocabulary, and stands for line ends in such a "
                "file; write it to a name that ends in .json"
            )
        self.vocabulary.to_file(path, lambda symbol: symbol.replace(LINE_END, LINE_END_NAME))


class _Index(dict[str, int]):
    """Symbol to id; a missing symbol gives `unk_id`, or an error where there is none."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        super().__init__(vocabulary.ordinary)
        self.unk_id = vocabulary.unk_id

    def __missing__(self, symbol: str) -> int:
        if self.unk_id is None:
            raise unknown_symbol(shown(symbol), len(self))
        return self.unk_id
