"""The specification of a tokenizer: the tokenizer itself, or how to make it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import Any, Self

from fastlm.errors import TokenizerError
from fastlm.tokenizers import CharTokenizer, Tokenizer, build_tokenizer
from fastlm.tokenizers.bpe import train_bpe
from fastlm.tokenizers.build import LINE_END_KINDS, build_tokenizer_from_counts
from fastlm.tokenizers.vocabulary import COUNTED_KINDS, check_limits

__all__ = ["MOST_WORDS", "TokenizerSpec"]

DEFAULT_KIND = "char"

MOST_WORDS = 1 << 15
"""Tokens of a vocabulary of `word` without given limits; rarer words are `<unk>`.

On 30 MB of novels all 69,000 words made the text cost more bits, unknown words spelt out, and each
step more time (bench/CHOICES.md).
"""


@dataclass(frozen=True, kw_only=True)
class TokenizerSpec:
    """A tokenizer, or how to make one.

    Attributes
    ----------
    kind : str
        As for `build_tokenizer`; or ``tiny``, the reference system's.
    asked_for : str, optional
        The kind, if the caller named it; None if it is the preset's or the default.
    given : Tokenizer, optional
        The tokenizer itself; the other attributes then have no effect.
    vocab : path, optional
        A vocabulary file in place of counting.
    min_count, max_vocab
        As for `build_tokenizer`.
    most_words : int, optional
        The largest vocabulary of a text whose symbols are counted, where the caller gave no limit.
    options : mapping
        Further arguments of `build_tokenizer`.
    """

    kind: str = DEFAULT_KIND
    asked_for: str | None = None
    given: Tokenizer | None = None
    vocab: str | PathLike[str] | None = None
    min_count: int = 1
    max_vocab: int | None = None
    most_words: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        wanted: str | Tokenizer | None,
        *,
        default: str | None = None,
        default_options: Mapping[str, Any] | None = None,
        vocab: str | PathLike[str] | None = None,
        min_count: int | None = None,
        max_vocab: int | None = None,
    ) -> Self:
        """Specify what is wanted, else the default, else ``char``.

        Parameters
        ----------
        wanted : str or Tokenizer, optional
        default, default_options
            A preset's kind of tokenizer, and the options that belong to it.
        vocab, min_count, max_vocab
            As the attributes. Without either limit a vocabulary of `word` has at most `MOST_WORDS`
            tokens.
        """
        if isinstance(wanted, Tokenizer):
            return cls(kind=wanted.kind, given=wanted)
        kind = wanted or default or DEFAULT_KIND
        options = (default_options or {}) if kind == default else {}
        limited = kind != "word" or bool(options) or (min_count, max_vocab) != (None, None)
        min_count, max_vocab = check_limits(1 if min_count is None else min_count, max_vocab)
        return cls(
            kind=kind,
            asked_for=wanted,
            vocab=vocab,
            min_count=min_count,
            max_vocab=max_vocab,
            most_words=None if limited else MOST_WORDS,
            options=options,
        )

    def for_documents(self, documents: str) -> Self:
        """Return the specification for text of this kind: words of a stream know line ends.

        Raises
        ------
        TokenizerError
            For a given tokenizer of words that reads line ends as white space.
        """
        if documents != "stream" or self.kind not in LINE_END_KINDS:
            return self
        if self.given is None:
            return replace(self, options={**self.options, "line_ends": True})
        if not getattr(self.given, "line_ends", False):
            raise TokenizerError(
                f"documents are 'stream', but this {self.kind} tokenizer has no token for line "
                "ends; leave it out, or build it with line_ends=True"
            )
        return self

    def ready(self) -> Tokenizer | None:
        """Return the tokenizer, or None if a text is needed to make it.

        Raises
        ------
        TokenizerError
            For settings that no tokenizer has.
        """
        if self.given is not None:
            return self.given
        if self.kind == "tiny":
            return CharTokenizer.tiny()
        if self.vocab is not None or self.kind not in (*COUNTED_KINDS, "bpe"):
            return build_tokenizer(self.kind, vocab_file=self.vocab, **self._settings)
        return None

    def from_counts(self, counts: Mapping[str, int]) -> Tokenizer:
        """Return the tokenizer of a kind whose symbols are counted."""
        limit = {} if self.most_words is None else {"max_vocab": self.most_words}
        return build_tokenizer_from_counts(self.kind, counts, **self._settings | limit)

    def from_blocks(self, blocks: Iterable[bytes], documents: str) -> Tokenizer:
        """Return the tokenizer that is trained on blocks: ``bpe``."""
        return train_bpe(
            blocks, max_vocab=self.max_vocab, min_count=self.min_count, documents=documents
        )

    def settings(self) -> dict[str, Any]:
        """Return as JSON what decides, besides the text, which tokenizer is made."""
        ready = self.ready()
        if ready is None:
            limit = {} if self.most_words is None else {"most_words": self.most_words}
            return {"kind": self.kind, **self._settings, **limit}
        spacing = ready.to_dict().get("spacing") if self.kind == "word" else None
        return {"fingerprint": ready.fingerprint()} | ({"spacing": spacing} if spacing else {})

    @property
    def _settings(self) -> dict[str, Any]:
        return {"min_count": self.min_count, "max_vocab": self.max_vocab, **self.options}
