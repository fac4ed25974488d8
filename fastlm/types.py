"""Type aliases and names used throughout the library; imports nothing of ours."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal, TypeAlias, get_args

__all__ = [
    "DEFAULT_FIELD",
    "DOCUMENT_MODES",
    "Combine",
    "CorpusSource",
    "Documents",
    "FilePath",
    "FirstWeights",
    "Schedule",
]

FilePath: TypeAlias = str | os.PathLike[str]
Combine = Literal["concat", "mean"]
Documents = Literal["file", "paragraphs", "lines", "stream"]
DOCUMENT_MODES: tuple[str, ...] = get_args(Documents)
"""The values of `Documents`: what counts as a document of a text."""

FirstWeights = Literal["scaled", "tiny", "mini"]
Schedule = Literal["constant", "linear", "cosine"]
CorpusSource: TypeAlias = FilePath | Sequence[FilePath] | None
"""A path, several paths, or None for the default corpus; the path "-" is standard input."""

DEFAULT_FIELD = "text"
"""The key of the text in JSON lines where none is given."""
