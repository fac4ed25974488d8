"""Joining the tokens of `word` into text, with spaces where text usually has them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType

from fastlm.tokenizers.vocabulary import UNK
from fastlm.tokenizers.words.word_pattern import is_mark, is_unspaced

__all__ = ["CLOSING", "OPENING", "TIGHT", "detokenize", "pair_side", "rule_spaces", "token_kinds"]

CLOSING = frozenset(",.;:!?)]}%‰…”»›°™®©¢")
OPENING = frozenset("([{“‘«‹„‚#$£€¥¿¡")
APOSTROPHES = frozenset("'’")
HYPHENS = frozenset("-‐‑—")
EN_DASH = "–"
TIGHT = frozenset("_/@\\")
CLITICS = frozenset(("s", "t", "re", "ve", "ll", "d", "m", "n", "em"))
"""What follows an apostrophe inside an English word."""


NOTHING: Mapping[tuple[str, str], bool] = MappingProxyType({})


def detokenize(
    tokens: Iterable[str],
    pattern: str = "unicode",
    learned: Mapping[tuple[str, str], bool] = NOTHING,
) -> str:
    """Join the tokens of the `word` tokenizer with spaces where text usually has them.

    - No space before , . ; : ! ? ) ] } % and other closing marks, none after ( [ { # $ and other
      opening marks, none around _ / @ and the backslash.
    - Straight double quotes open and close in turn. So do single quotes, except that an
      apostrophe between words joins them ("don't", "l'homme"); after a word in -s it stays with
      that word ("the boys' books").
    - A hyphen or em dash between words joins them ("well-known"); several in a row stay together
      with a space on both sides ("so -- then"). An en dash joins numbers only.
    - A full stop between numbers joins them, and so does a comma before three digits and a colon
      before two ("3.14", "1,000", "10:30"). A minus joins a number that follows no word.
    - No space next to letters of scripts without spaces and to full-width punctuation.

    What was learned of a pair of tokens goes before these rules. Two tokens that would be read as
    one stay apart. Splitting the result gives the tokens back, except that `<unk>` becomes three.

    Parameters
    ----------
    tokens : iterable of str
    pattern : {"unicode", "mini"}
        The pattern that split them.
    learned : mapping of (str, str) to bool
        Whether a space stands between two tokens, by their sides (see `pair_side`).
    """
    items = list(tokens)
    kinds = token_kinds(items, pattern)
    spaces = rule_spaces(items, kinds)
    if learned:
        sides = list(map(pair_side, items, kinds))
        spaces[1:] = map(learned.get, pairwise(sides), spaces[1:])
    parts: list[str] = []
    for at, token in enumerate(items):
        if at and (spaces[at] or _would_merge(token, kinds[at - 1], kinds[at])):
            parts.append(" ")
        parts.append(token)
    return "".join(parts)


def token_kinds(tokens: Sequence[str], pattern: str) -> list[str]:
    """Return the kind of each token: "word", "unspaced" (no spaces around it), or "symbol"."""
    known: dict[str, str] = {}
    for token in tokens:
        if token not in known:
            known[token] = _kind(token, pattern)
    return [known[token] for token in tokens]


def rule_spaces(tokens: Sequence[str], kinds: Sequence[str]) -> list[bool]:
    """Return for each token whether the rules put a space before it; see `detokenize`."""
    spacing = _Spacing()
    return [
        spacing.before(tokens, kinds, at)
        or (at > 0 and _would_merge(token, kinds[at - 1], kinds[at]))
        for at, token in enumerate(tokens)
    ]


def pair_side(token: str, kind: str) -> str:
    """Return what a token of a kind counts as in a pair.

    A symbol counts as itself, any other token as "word", "number", "mark" (begins with a combining
    mark) or "unspaced".
    """
    if kind == "symbol":
        return token
    if kind == "word" and token[0].isdecimal():
        return "number"
    return "mark" if kind == "word" and is_mark(token[0]) else kind


def _kind(token: str, pattern: str) -> str:
    first = token[0]
    if token == UNK:
        return "word"
    if pattern == "mini":
        return "word" if first.isalnum() or first == "_" else "symbol"
    if is_unspaced(first):
        return "unspaced"
    return "word" if unicodedata.category(first)[0] in "LMN" else "symbol"


def _would_merge(token: str, kind_before: str, kind: str) -> bool:
    """Tell whether these two, written without a space, would be read as other tokens."""
    if kind != "word" or kind_before == "symbol":
        return False
    return kind_before == "word" or is_mark(token[0])


class _Spacing:
    """Decides on the space before each token; remembers which quotes are open."""

    def __init__(self) -> None:
        self.double_open = False
        self.single_open = False
        self.low_open = False
        self.space_after = True

    def before(self, items: Sequence[str], kinds: Sequence[str], at: int) -> bool:
        """Return whether a space goes before `items[at]`, which is seen once, in order."""
        token = items[at]
        wanted = self.space_after
        self.space_after = True
        kind_before = kinds[at - 1] if at else "symbol"
        kind_after = kinds[at + 1] if at + 1 < len(items) else "symbol"
        between_words = kind_before == kind_after == "word"

        if kinds[at] == "unspaced" or (kinds[at] == "symbol" and _is_wide(token)):
            self.space_after = False
            return False
        if kinds[at] == "word":
            return wanted and not (is_mark(token[0]) and kind_before == "symbol")
        if token == '"':
            self.double_open = not self.double_open
            self.space_after = not self.double_open
            return wanted and self.double_open
        if token in APOSTROPHES:
            return self._apostrophe(items, at, between_words, wanted)
        if token == "“" and self.low_open:
            self.low_open = False
            return False
        if token in OPENING:
            self.low_open = self.low_open or token == "„"
            self.single_open = self.single_open or token == "‘"
            self.space_after = False
            return wanted
        if token in HYPHENS or token == EN_DASH:
            return self._dash(items, kinds, at, between_words, wanted)
        if token in TIGHT:
            self.space_after = False
            return False
        if token in CLOSING:
            self.space_after = not (between_words and _joins_numbers(items, at))
            return False
        return wanted

    def _apostrophe(self, items: Sequence[str], at: int, between_words: bool, wanted: bool) -> bool:
        curly = items[at] == "’"
        if between_words:
            before, after = items[at - 1].lower(), items[at + 1].lower()
            plural = len(before) > 2 and before.endswith("s")
            if after in CLITICS or not (self.single_open or plural):
                self.space_after = False
                return False
            self.single_open = self.single_open and plural
            return False
        if curly:
            self.single_open = False
            return False
        self.single_open = not self.single_open
        self.space_after = not self.single_open
        return wanted and self.single_open

    def _dash(
        self, items: Sequence[str], kinds: Sequence[str], at: int, between_words: bool, wanted: bool
    ) -> bool:
        token = items[at]
        if between_words:
            numbers = items[at - 1][0].isdigit() and items[at + 1][0].isdigit()
            joined = token != EN_DASH or numbers
            self.space_after = not joined
            return not joined
        after = items[at + 1] if at + 1 < len(items) else ""
        in_run = at > 0 and items[at - 1] == token
        follows_word = at > 0 and kinds[at - 1] != "symbol"
        is_minus = token == "-" and after[:1].isdigit() and not in_run and not follows_word
        self.space_after = after != token and not is_minus
        return wanted


def _joins_numbers(items: Sequence[str], at: int) -> bool:
    before, token, after = items[at - 1], items[at], items[at + 1]
    if not (before.isdecimal() and after.isdecimal()):
        return False
    if token == ",":
        return len(before) <= 3 and len(after) == 3
    return token == "." or (token == ":" and len(after) == 2)


def _is_wide(token: str) -> bool:
    """Tell whether this is East Asian punctuation, which brings its own white space."""
    return "\u3001" <= token[0] <= "\u303f" or "\uff01" <= token[0] <= "\uff65"
