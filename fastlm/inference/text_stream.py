"""What text do new tokens make, what of it is certain already, and where does it stop?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from fastlm.errors import ConfigError
from fastlm.tokenizers import Tokenizer
from fastlm.types import Documents

__all__ = ["GeneratedText", "checked_stops"]

# What stands between two documents in a text.
_SEPARATORS: dict[str, str] = {"file": "", "lines": "\n", "paragraphs": "\n\n"}


def checked_stops(stop: str | Iterable[str] | None) -> tuple[str, ...]:
    """The stop strings. Raises ConfigError for what is not a non-empty str, or several of them."""
    if stop is None:
        return ()
    several = isinstance(stop, Iterable) and not isinstance(stop, str | bytes)
    stops: tuple[Any, ...] = tuple(stop) if several else (stop,)
    for text in stops:
        if not isinstance(text, str) or not text:
            raise ConfigError(f"stop is {text!r}; give a text that is not empty, or several")
    return stops


class GeneratedText:
    """The new text after a prompt, in pieces that are never empty and that nothing changes later.

    prompt, prompt_ids : what the text goes on from
    documents : what begins after a boundary token
    stops : the text ends before the one of these that is complete first (where several are complete
        at the same character, before the longest). It is looked for in new text only
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
        self._text = _new_text(tokenizer, prompt, prompt_ids)
        self._until = _Until(stops)

    @property
    def stopped(self) -> bool:
        """Whether a stop string was found: there is no more text."""
        return self._until.found

    def push(self, ids: Sequence[int]) -> list[str]:
        """Append ids; returns what is certain now."""
        boundary = self._tokenizer.boundary_id
        if boundary is None or boundary not in ids:
            return self._before_stop([self._text.push(ids)])
        texts: list[str] = []
        document: list[int] = []
        for id in ids:
            if id != boundary:
                document.append(id)
                continue
            texts += (self._text.push(document), self._text.finish(), self._separator)
            self._text = _new_text(self._tokenizer, "", ())
            document = []
        texts.append(self._text.push(document))
        return self._before_stop(texts)

    def finish(self) -> list[str]:
        """The rest."""
        return [*self._before_stop([self._text.finish()]), *filter(None, (self._until.rest(),))]

    def _before_stop(self, texts: Sequence[str]) -> list[str]:
        return [piece for text in texts if text and (piece := self._until.push(text))]


class _Until:
    """Text up to a stop string, no part of which is let through."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._held = ""
        self.found = False

    def push(self, text: str) -> str:
        """Append text; returns what is certainly before a stop string and was not returned yet."""
        if self.found or not self._stops:
            return "" if self.found else text
        text = self._held + text
        places = [(at + len(stop), at) for stop in self._stops if (at := text.find(stop)) >= 0]
        if places:
            self.found = True
            self._held = ""
            return text[: min(places)[1]]
        keep = max(_overlap(text, stop) for stop in self._stops)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def rest(self) -> str:
        """What was held back, when no more text comes."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """The length of the longest end of ``text`` that is a beginning of ``stop``, not all of it."""
    longest = min(len(text), len(stop) - 1)
    return next((size for size in range(longest, 0, -1) if text.endswith(stop[:size])), 0)


class _SeparateText:
    """New text where the text of a token does not depend on its neighbours, as of char and byte."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._pending: list[int] = []

    def push(self, ids: Sequence[int]) -> str:
        """Append ids; returns what is certain of the text and was not returned yet."""
        self._pending += ids
        text = self._tokenizer.decode(self._pending)
        if text.endswith("�"):  # maybe the first bytes of a character
            return ""
        self._pending.clear()
        return text

    def finish(self) -> str:
        """The rest of the text."""
        text = self._tokenizer.decode(self._pending)
        self._pending.clear()
        return text


class _JoinedText:
    """New text where the space before a token depends on all tokens before it and the one after.

    The text of the last token is held back. Everything is decoded again each time, so that the
    rules stand in one place, the tokenizer; decoding only when there is 1/16 more to decode keeps
    the cost of a long text linear.
    """

    def __init__(self, tokenizer: Tokenizer, prompt: str, prompt_ids: Sequence[int]) -> None:
        self._tokenizer = tokenizer
        self._ids = list(prompt_ids)
        self._prompt_size = len(self._ids)
        self._after_space = prompt[-1:].isspace()
        self._sent: int | None = None
        self._decode_at = 0

    def push(self, ids: Sequence[int]) -> str:
        """Append ids; returns what is certain of the text and was not returned yet."""
        self._ids += ids
        if not ids or len(self._ids) < self._decode_at:
            return ""
        self._decode_at = len(self._ids) + max(1, len(self._ids) // 16)
        return self._unsent(self._settled(self._ids))

    def finish(self) -> str:
        """The rest of the text."""
        if len(self._ids) == self._prompt_size:
            return ""
        return self._unsent(self._tokenizer.decode(self._ids))

    def _settled(self, ids: list[int]) -> str:
        """The text of all tokens but the last one."""
        return self._tokenizer.settled_text(ids)

    def _unsent(self, text: str) -> str:
        if self._sent is None:
            # Where the prompt ends can be told when the token after it is known.
            self._sent = len(self._settled(self._ids[: self._prompt_size + 1]))
        piece = text[self._sent :]
        self._sent += len(piece)
        if piece and self._after_space:
            piece = piece.removeprefix(" ")
            self._after_space = False
        return piece


def _new_text(
    tokenizer: Tokenizer, prompt: str, prompt_ids: Sequence[int]
) -> _SeparateText | _JoinedText:
    if tokenizer.decodes_apart:
        return _SeparateText(tokenizer)
    return _JoinedText(tokenizer, prompt, prompt_ids)
