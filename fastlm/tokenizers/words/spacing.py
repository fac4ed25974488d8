"""Spaces beside symbols, learned from text for the pairs of tokens that the rules get wrong."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from itertools import compress, pairwise
from operator import ne
from typing import Any, TypeAlias

from fastlm.errors import TokenizerError
from fastlm.system.json_values import Kind, read_object
from fastlm.tokenizers.words.detokenize import (
    CLOSING,
    OPENING,
    TIGHT,
    pair_side,
    rule_spaces,
    token_kinds,
)
from fastlm.tokenizers.words.word_pattern import word_pattern

__all__ = ["SAMPLE_BYTES", "SPACING", "Spacing", "learn_spacing", "spacing_form"]

Spacing: TypeAlias = Mapping[tuple[str, str], bool]
"""Whether a space stands between two tokens, by their sides (see `pair_side`)."""

SAMPLE_BYTES = 1 << 17
"""Bytes of text that are looked at: 50 ms, and enough for the pairs that are frequent."""

MOST_PAIRS = 4096
"""Pairs that are kept, the most frequent."""

LEAST_COUNT = 5
LEAST_SHARE = 0.9
"""What a pair needs to be learned: occurrences, and the share of these that are alike."""

_PARAGRAPHS = re.compile(r"\n[^\S\n]*\n")
_RULED = CLOSING | OPENING | TIGHT


def learn_spacing(
    text: str, *, pattern: str = "unicode", lowercase: bool = False, line_ends: bool = False
) -> dict[tuple[str, str], bool]:
    """Return what the rules of `detokenize` get wrong in a text.

    A pair is learned where it occurs five times or more, nine in ten of these are alike, and the
    rules miss more than half of them. In text that was tokenized before, where most punctuation has
    spaces on both sides, spaces say nothing, and no pair is learned.

    Parameters
    ----------
    text : str
        About the first `SAMPLE_BYTES` of the training text.
    pattern, lowercase, line_ends
        How it is split (see `build_tokenizer`).
    """
    if lowercase:
        text = text.lower()
    # A quote that is missing must not spoil the rest: rules begin anew in each paragraph.
    parts = text.split("\n") if line_ends else _PARAGRAPHS.split(text)
    found = _Found()
    for part in parts:
        found.add(part, pattern)
    if found.apart > found.punctuation / 2:
        return {}
    learned = {}
    for pair, missed in sorted(found.missed.items(), key=lambda item: (-item[1], item[0])):
        spaced, tight = found.spaced[pair], found.tight[pair]
        total = spaced + tight
        alike = max(spaced, tight) >= LEAST_SHARE * total
        if total >= LEAST_COUNT and alike and missed > total / 2:
            learned[pair] = spaced > tight
    return dict(list(learned.items())[:MOST_PAIRS])


class _Found:
    """How often pairs of tokens stand with and without a space, and where the rules are wrong."""

    def __init__(self) -> None:
        self.spaced: Counter[tuple[str, str]] = Counter()
        self.tight: Counter[tuple[str, str]] = Counter()
        self.missed: Counter[tuple[str, str]] = Counter()
        # Punctuation that the rules know, and such with spaces on both sides.
        self.punctuation = self.apart = 0

    def add(self, text: str, pattern: str) -> None:
        matches = list(word_pattern(pattern, text.isascii()).finditer(text))
        tokens = [match.group() for match in matches]
        kinds = token_kinds(tokens, pattern)
        gaps = [
            any(map(str.isspace, text[before.end() : after.start()]))
            for before, after in pairwise(matches)
        ]
        pairs = list(pairwise(map(pair_side, tokens, kinds)))
        self.spaced.update(compress(pairs, gaps))
        self.tight.update(pair for pair, gap in zip(pairs, gaps, strict=True) if not gap)
        rules = rule_spaces(tokens, kinds)[1:]
        self.missed.update(compress(pairs, map(ne, gaps, rules)))
        edges = [True, *gaps, True]
        for token, before, after in zip(tokens, edges, edges[1:], strict=False):
            if token in _RULED:
                self.punctuation += 1
                self.apart += before and after


def spacing_form(spacing: Spacing) -> dict[str, Any]:
    """Return the JSON form: the pairs with a space, and those without."""
    return {
        name: sorted([*pair] for pair, space in spacing.items() if space is wanted)
        for name, wanted in (("spaced", True), ("tight", False))
    }


def _read_spacing(form: Any) -> Spacing:
    """Return the spacing of a JSON form.

    Raises
    ------
    TokenizerError
        For what is no such form, and for more pairs than are ever learned.
    """
    kinds = {"spaced": _PAIRS, "tight": _PAIRS}
    lists = read_object(form, "the word tokenizer's spacing", kinds, TokenizerError)
    learned = {(before, after): name == "spaced" for name in kinds for before, after in lists[name]}
    if len(learned) > MOST_PAIRS:
        raise TokenizerError(
            f"the word tokenizer's spacing has {len(learned):,} pairs; the most are {MOST_PAIRS:,}"
        )
    return learned


def _are_pairs(values: Any) -> bool:
    return isinstance(values, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(isinstance(side, str) for side in pair)
        for pair in values
    )


_PAIRS = Kind("a list of pairs of texts", _are_pairs)
SPACING = Kind("pairs with and without a space", lambda form: isinstance(form, dict), _read_spacing)
