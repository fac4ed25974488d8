"""Matches: parts of a text that stand in a token store, and where."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from fastlm.checks import shown

__all__ = ["Match", "Place"]


@dataclass(frozen=True)
class Place:
    """Where a part of a text stands in a store.

    Attributes
    ----------
    position : int
        Its first token, from 0, in all ids of the store.
    document : int
        The number of the document, from 1.
    offset : int
        Its first token in the document, from 0.
    part : {"train", "valid"}
        Of the store.
    before, found, after : str
        The text before it, the part itself, and the text after it, of the same document, as the
        tokenizer writes them.
    """

    position: int
    document: int
    offset: int
    part: str
    before: str
    found: str
    after: str


@dataclass(frozen=True)
class Match:
    """A part of a text that stands in a store.

    Attributes
    ----------
    text : str
        The part, as it was given.
    start, stop : int
        Its first character in the text, and the one after its last.
    tokens : int
    count : int
        How often it stands in the store.
    places : list of Place
        Where; the first ones.
    """

    text: str
    start: int
    stop: int
    tokens: int
    count: int
    places: list[Place]

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)

    def __repr__(self) -> str:
        where = f", document {self.places[0].document}" if self.places else ""
        return f"Match({shown(self.text)}, tokens={self.tokens}, count={self.count}{where})"
