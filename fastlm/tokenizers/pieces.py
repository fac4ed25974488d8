"""Where is a long text cut, so that its pieces are tokenised as the whole is?"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["pieces_before"]


def pieces_before(pattern: re.Pattern[str], text: str, size: int) -> Iterator[str]:
    """Yield pieces of at least ``size`` characters, the last perhaps less, each cut before the next
    match of ``pattern``."""
    start = 0
    while start < len(text):
        found = pattern.search(text, start + size)
        stop = found.start() if found else len(text)
        yield text[start:stop]
        start = stop
