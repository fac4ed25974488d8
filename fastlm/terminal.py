"""Is a stream a terminal, and what can it do?"""

from __future__ import annotations

import os
from typing import TextIO

__all__ = ["can_redraw"]


def can_redraw(stream: TextIO) -> bool:
    """Whether a line that was written to ``stream`` can be written over."""
    try:
        terminal = stream.isatty()
    except (AttributeError, ValueError):
        return False
    return terminal and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")
