"""The default corpus: the documentation texts that every Python ships with."""

from __future__ import annotations

from importlib import import_module

from fastlm.errors import CorpusError
from fastlm.text.documents import with_line_feeds

__all__ = ["default_corpus"]


def default_corpus() -> str:
    """Return the texts of Python's `help()` topics as one text, about 465,000 characters.

    The topics (`pydoc_data.topics`) are sorted by name and joined with a blank line between them.
    The text differs from one version of Python to the next.

    Raises
    ------
    CorpusError
        When this Python was installed without them.
    """
    try:
        topics: dict[str, str] = import_module("pydoc_data.topics").topics
    except (ImportError, AttributeError):
        topics = {}
    parts = [str(topics[name]).strip() for name in sorted(topics)]
    text = "\n\n".join(part for part in parts if part)
    if not text:
        raise CorpusError(
            "this Python ships without its documentation texts (pydoc_data.topics), which are the "
            "default corpus; name a text file to train on"
        )
    return with_line_feeds(text) + "\n"
