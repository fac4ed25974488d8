"""What the site makes of links that lead out of docs/, into the repository: their text alone."""

from __future__ import annotations

import re
from typing import Any

_OUTSIDE = re.compile(r"(?<!!)\[([^\]]+)\]\(\.\./[^)]*\)")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Return a page whose links all lead to pages of the site."""
    return _OUTSIDE.sub(r"\1", markdown)
