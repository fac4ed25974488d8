"""Which tokenizer is asked for, and must the text be read to make it?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, Self

from fastlm.tokenizers import CharTokenizer, Tokenizer, build_tokenizer
from fastlm.tokenizers.bpe import train_bpe
from fastlm.tokenizers.build import build_tokenizer_from_counts
from fastlm.tokenizers.vocabulary import COUNTED_KINDS, check_limits

__all__ = ["TokenizerSpec"]

DEFAULT_KIND = "char"


@dataclass(frozen=True, kw_only=True)
class TokenizerSpec:
    """A tokenizer, or how to make one.

    kind : see ``build_tokenizer``; or ``tiny``, the reference system's
    asked_for : the kind, where the caller named it; None: it is the preset's or the default
    given : the tokenizer itself; the rest then says nothing
    vocab : a vocabulary file in place of counting
    min_count, max_vocab : see ``build_tokenizer``
    options : further arguments of ``build_tokenizer``
    """

    kind: str = DEFAULT_KIND
    asked_for: str | None = None
    given: Tokenizer | None = None
    vocab: str | PathLike[str] | None = None
    min_count: int = 1
    max_vocab: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        wanted: str | Tokenizer | None,
        *,
        default: str | None = None,
        default_options: Mapping[str, Any] | None = None,
        vocab: str | PathLike[str] | None = None,
        min_count: int = 1,
        max_vocab: int | None = None,
    ) -> Self:
        """What is wanted, else the default, else ``char``.

        default, default_options : a preset's kind of tokenizer, and the options that belong to it
        """
        if isinstance(wanted, Tokenizer):
            return cls(kind=wanted.kind, given=wanted)
        kind = wanted or default or DEFAULT_KIND
        options = (default_options or {}) if kind == default else {}
        return cls(
            kind=kind,
            asked_for=wanted,
            vocab=vocab,
            min_count=min_count,
            max_vocab=max_vocab,
            options=options,
        )

    def ready(self) -> Tokenizer | None:
        """The tokenizer, if no text is needed to make it.

        Raises TokenizerError for settings that no tokenizer has.
        """
        if self.given is not None:
            return self.given
        if self.kind == "tiny":
            return CharTokenizer.tiny()
        if self.vocab is not None or self.kind not in (*COUNTED_KINDS, "bpe"):
            return self._built(())
        check_limits(self.min_count, self.max_vocab)
        return None

    def from_texts(self, texts: Iterable[str]) -> Tokenizer:
        return self.ready() or self._built(texts)

    def _built(self, texts: Iterable[str]) -> Tokenizer:
        return build_tokenizer(
            self.kind,
            texts,
            min_count=self.min_count,
            max_vocab=self.max_vocab,
            vocab_file=self.vocab,
            **self.options,
        )

    def from_counts(self, counts: Mapping[str, int]) -> Tokenizer:
        return build_tokenizer_from_counts(
            self.kind,
            counts,
            min_count=self.min_count,
            max_vocab=self.max_vocab,
            **self.options,
        )

    def from_blocks(self, blocks: Iterable[bytes], documents: str) -> Tokenizer:
        """Train the tokenizer that is trained, not counted: ``bpe``."""
        return train_bpe(
            blocks, max_vocab=self.max_vocab, min_count=self.min_count, documents=documents
        )

    def settings(self) -> dict[str, Any]:
        """All that decides what comes out, beside the text, as JSON has it."""
        ready = self.ready()
        if ready is not None:
            return {"fingerprint": ready.fingerprint()}
        return {
            "kind": self.kind,
            "min_count": self.min_count,
            "max_vocab": self.max_vocab,
            **self.options,
        }
