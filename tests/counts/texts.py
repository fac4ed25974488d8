"""Small texts of token ids: 0 ends a document."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.counts.models import TINY_IDS

_LINES = ("a b a b", "b a", "a a b", "c")


def _ids(lines: tuple[str, ...]) -> list[int]:
    return [TINY_IDS[word] for line in lines for word in (*line.split(), "</s>")]


TINY = _ids(_LINES)
"""The text of ``tiny.3.arpa``."""
DOUBLED = _ids(tuple(line for line in _LINES for _ in range(2)))
"""The text of ``doubled.3.arpa``: every line twice."""


def skewed_text(seed: int, size: int, vocab: int, documents: bool = True) -> NDArray[Any]:
    """Return random tokens, some of them frequent; with documents, 0 ends one now and then."""
    rng = np.random.default_rng(seed)
    ids = np.minimum(rng.zipf(1.4, size), vocab - 1).astype(np.uint16)
    if documents:
        ids[rng.random(size) < 0.1] = 0
        ids[-1] = 0
    return ids


TEXTS = st.lists(st.integers(0, 4), min_size=1, max_size=60)
"""Texts over five tokens, with empty documents, and the last document cut short or not."""
