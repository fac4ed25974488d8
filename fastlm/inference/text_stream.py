"""Incremental detokenization: text as soon as no later token can change it, up to a stop string."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fastlm.errors import ConfigError
from fastlm.tokenizers import Tokenizer
from fastlm.types import Documents

__all__ = ["TextStream", "parse_stops"]

# What stands between two documents in a text.
_SEPARATORS: dict[str, str] = {"file": "", "stream": "", "lines": "\n", "paragraphs": "\n\n"}


def parse_stops(stop: str | Iterable[str] | None) -> tuple[str, ...]:
    """Return the stop strings as a tuple.

    Raises
    ------
    ConfigError
        For anything but a non-empty str or several of them.
    """
    if stop is None:
        return ()
    several = isinstance(stop, Iterable) and not isinstance(stop, str | bytes)
    stops: tuple[Any, ...] = tuple(stop) if several else (stop,)
    for text in stops:
        if not isinstance(text, str) or not text:
            raise ConfigError(f"stop is {text!r}; give a text that is not empty, or several")
    return stops


class TextStream:
    """The new text after a prompt, in parts that are never empty and never change later.

    Parameters
    ----------
    tokenizer : Tokenizer
    documents : {"file", "paragraphs", "lines", "stream"}
        What begins after a boundary token (``<end>``).
    prompt, prompt_ids : str, sequence of int
        What the text continues.
    stops : sequence of str
        The text ends before the first stop string that is complete; of several that are complete
        at the same character, before the longest. Only new text is searched.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        documents: Documents,
        prompt: str,
        prompt_ids: Sequence[int],
        stops: Sequence[str] = (),
    ) -> None:
        self._tokenizer = tokenizer
        self._separator = _SEPARATORS[documents]
        self._decoder = _new_decoder(tokenizer, prompt, prompt_ids)
        self._filter = _StopFilter(stops)

    @property
    def stopped(self) -> bool:
        """Whether a stop string was found, which ends the text."""
        return self._filter.found

    def push(self, ids: Sequence[int]) -> list[str]:
        """Append ids; return the parts of the text that have become certain."""
        boundary = self._tokenizer.boundary_id
        if boundary is None or boundary not in ids:
            return self._before_stop([self._decoder.push(ids)])
        texts: list[str] = []
        document: list[int] = []
        for id in ids:
            if id != boundary:
                document.append(id)
                continue
            texts += (self._decoder.push(document), self._decoder.finish(), self._separator)
            self._decoder = _new_decoder(self._tokenizer, "", ())
            document = []
        texts.append(self._decoder.push(document))
        return self._before_stop(texts)

    def finish(self) -> list[str]:
        """Return the parts that were held back."""
        return [*self._before_stop([self._decoder.finish()]), *filter(None, (self._filter.rest(),))]

    def _before_stop(self, texts: Sequence[str]) -> list[str]:
        return [part for text in texts if text and (part := self._filter.push(text))]


class _StopFilter:
    """Passes text on up to a stop string, no part of which gets through."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._held = ""
        self.found = False

    def push(self, text: str) -> str:
        """Append text; return what certainly comes before a stop string."""
        if self.found or not self._stops:
            return "" if self.found else text
        text = self._held + text
        matches = [(at + len(stop), at) for stop in self._stops if (at := text.find(stop)) >= 0]
        if matches:
            self.found = True
            self._held = ""
            return text[: min(matches)[1]]
        keep = max(_overlap(text, stop) for stop in self._stops)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def rest(self) -> str:
        """Return what was held back, once no more text comes."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """Return the length of the longest end of ``text`` that begins ``stop`` without being it."""
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)


class _IndependentDecoder:
    """Decodes tokens whose text does not depend on their neighbours, as of char and byte."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._pending: list[int] = []

    def push(self, ids: Sequence[int]) -> str:
        """Append ids; return the new text that is certain."""
        self._pending += ids
        text = self._tokenizer.decode(self._pending)
        if text.endswith("�"):  # maybe the first bytes of a character
            return ""
        self._pending.clear()
        return text

    def finish(self) -> str:
        """Return the rest of the text."""
        text = self._tokenizer.decode(self._pending)
        self._pending.clear()
        return text


class _JoinedDecoder:
    """Decodes tokens whose spacing depends on all tokens before them and the one after.

    The text of the last token is held back. Each time everything is decoded anew, so that the rules
    stay in one place, the tokenizer. Decoding only once 1/16 more tokens have come keeps the cost
    of a long text linear.
    """

    def __init__(self, tokenizer: Tokenizer, prompt: str, prompt_ids: Sequence[int]) -> None:
        self._tokenizer = tokenizer
        self._ids = list(prompt_ids)
        self._prompt_size = len(self._ids)
        self._after_space = prompt[-1:].isspace()
        self._sent: int | None = None
        self._decode_at = 0

    def push(self, ids: Sequence[int]) -> str:
        """Append ids; return the new text that is certain."""
        self._ids += ids
        if not ids or len(self._ids) < self._decode_at:
            return ""
        self._decode_at = len(self._ids) + max(1, len(self._ids) // 16)
        return self._unsent(self._tokenizer.stable_text(self._ids))

    def finish(self) -> str:
        """Return the rest of the text."""
        if len(self._ids) == self._prompt_size:
            return ""
        return self._unsent(self._tokenizer.decode(self._ids))

    def _unsent(self, text: str) -> str:
        if self._sent is None:
            # Where the prompt's text ends depends on the token after it.
            known = self._ids[: self._prompt_size + 1]
            self._sent = len(self._tokenizer.stable_text(known))
        part = text[self._sent :]
        self._sent += len(part)
        if part and self._after_space:
            part = part.removeprefix(" ")
            self._after_space = False
        return part


def _new_decoder(
    tokenizer: Tokenizer, prompt: str, prompt_ids: Sequence[int]
) -> _IndependentDecoder | _JoinedDecoder:
    if tokenizer.decodes_independently:
        return _IndependentDecoder(tokenizer)
    return _JoinedDecoder(tokenizer, prompt, prompt_ids)
