"""Spans: which part of a text took how many bits, and which tokens stand there."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Part", "Span", "joined_parts", "spans_of"]


class Span(NamedTuple):
    """A part of a text that one token stands for, or several that share a character.

    Attributes
    ----------
    start, stop : int
        Its first character and the one after its last, in Unicode code points. They are equal for
        a boundary token, which stands for none.
    bits : float
        The sum of -log2 p of its tokens.
    tokens : list of str
        The names of its tokens.
    """

    start: int
    stop: int
    bits: float
    tokens: list[str]


Part = tuple[str, float | None]
"""A part of a text and its bits; None for what was not predicted, such as a space among words."""


def spans_of(
    offsets: NDArray[np.int64], log_probs: NDArray[Any], tokens: Sequence[str]
) -> list[Span]:
    """Return the spans of a text, in order and apart from each other.

    Parameters
    ----------
    offsets : int64[N, 2]
        The characters that each token stands for.
    log_probs : float[N]
        In nats.
    tokens : sequence of N str
    """
    spans: list[Span] = []
    bits = (0 - log_probs.astype(np.float64)) / math.log(2)
    for (start, stop), cost, token in zip(offsets.tolist(), bits.tolist(), tokens, strict=True):
        if spans and start < spans[-1].stop:  # another part of the same character
            last = spans[-1]
            spans[-1] = Span(
                last.start, max(last.stop, stop), last.bits + cost, [*last.tokens, token]
            )
        else:
            spans.append(Span(start, stop, cost, [token]))
    return spans


def joined_parts(text: str, spans: Iterable[Span]) -> Iterator[Part]:
    """Yield all of a text in parts that can be drawn one by one.

    What a reader sees as one character (a letter and its accents, an emoji of several code points)
    is not cut: such parts are joined, and their bits added.
    """
    before: Part | None = None
    for part in _parts(text, spans):
        if before is None:
            before = part
        elif _is_cut(before[0], part[0]):
            bits = [each[1] for each in (before, part) if each[1] is not None]
            before = before[0] + part[0], sum(bits) if bits else None
        else:
            yield before
            before = part
    if before is not None:
        yield before


def _parts(text: str, spans: Iterable[Span]) -> Iterator[Part]:
    end = 0
    for span in spans:
        if span.start > end:
            yield text[end : span.start], None
        if span.stop > span.start:
            yield text[span.start : span.stop], span.bits
        end = max(end, span.stop)
    if end < len(text):
        yield text[end:], None


_JOINER = "\u200d"


def _is_cut(before: str, after: str) -> bool:
    """Tell whether two neighbouring parts belong to one visible character."""
    last, first = before[-1], after[0]
    if last == _JOINER or first == _JOINER or unicodedata.category(first) in ("Mn", "Me", "Mc"):
        return last != "\n"
    if "\U0001f3fb" <= first <= "\U0001f3ff":  # the tone of a skin
        return not last.isspace()
    return _is_flag_half(first) and _flag_halves(before) % 2 == 1


def _is_flag_half(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _flag_halves(text: str) -> int:
    """Return how many halves of flags a text ends with."""
    return len(text) - len(text.rstrip("".join(map(chr, range(0x1F1E6, 0x1F200)))))
