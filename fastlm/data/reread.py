"""The source of a checkpoint's corpus: recorded when a run begins, read again when it resumes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastlm.checks import is_number
from fastlm.data.dataset import build_dataset
from fastlm.data.split import check_fraction
from fastlm.errors import ConfigError
from fastlm.text.decoding import Reading
from fastlm.tokenizers import Tokenizer
from fastlm.tokenizers.spec import TokenizerSpec
from fastlm.types import Documents, FilePath
from fastlm.wording import setting

__all__ = ["GIVEN", "describe_source", "reading_of", "reread_tokens", "source_of"]

GIVEN = "given"
"""Stands for a source that cannot be read again: standard input, and text from the caller."""


def describe_source(corpus: Any, valid: Any, *, texts: bool) -> dict[str, Any]:
    """Return how to read a corpus again, from any folder, as JSON has it.

    Parameters
    ----------
    corpus, valid
        As ``fastlm.train`` takes them.
    texts : bool
        Whether the corpus is text from the caller.

    Returns
    -------
    dict
        ``corpus`` and ``valid``: absolute paths, a fraction, None, or ``GIVEN``.
    """
    sources: dict[str, Any] = {}
    for name, source in (("corpus", GIVEN if texts else corpus), ("valid", valid)):
        if source is None or source == GIVEN or is_number(source):
            sources[name] = check_fraction(source) if is_number(source) else source
            continue
        paths = [source] if isinstance(source, str | os.PathLike) else list(source)
        given = "-" in map(str, paths)
        sources[name] = GIVEN if given else [str(Path(path).absolute()) for path in paths]
    return sources


def source_of(corpus: Mapping[str, Any], name: str, path: FilePath) -> Any:
    """Return a source that a checkpoint records, as ``fastlm.train`` takes it.

    Parameters
    ----------
    corpus : mapping
        What the checkpoint says about its corpus.
    name : {"corpus", "valid"}
    path : path
        Of the checkpoint, for messages.

    Raises
    ------
    ConfigError
        Where it has to be given again.
    """
    source = (corpus["recipe"] or {}).get(name, GIVEN)
    paths = isinstance(source, list) and all(isinstance(path, str) for path in source)
    if paths:
        return [Path(one) for one in source]  # beside texts in memory a str would be text
    if source is None or (name == "valid" and is_number(source)):
        return source
    option = "the corpus" if name == "corpus" else setting("valid")
    raise ConfigError(
        f"{path} does not say where its {name} text is ({corpus['description']}); give {option} "
        "again to resume"
    )


def reading_of(corpus: Mapping[str, Any]) -> Reading:
    """Return how the files of a checkpoint's corpus are read."""
    form = (corpus["recipe"] or {}).get("reading", {})
    known = form.keys() if isinstance(form, dict) else ()
    return Reading(**{key: form[key] for key in known if key in Reading.__dataclass_fields__})


def reread_tokens(
    corpus: Mapping[str, Any], tokenizer: Tokenizer, documents: Documents, path: FilePath
) -> tuple[Any, Any]:
    """Read the corpus of a checkpoint again.

    Parameters
    ----------
    corpus, path
        See ``source_of``.
    tokenizer : Tokenizer
    documents : {"file", "paragraphs", "lines", "stream"}

    Returns
    -------
    train, valid : uint16[T] or uint32[T]
        ``valid`` is None where there is nothing to validate on.

    Raises
    ------
    ConfigError
        Where the source has to be given again.
    CorpusError, StoreError
        Where it cannot be read.
    """
    dataset = build_dataset(
        source_of(corpus, "corpus", path),
        TokenizerSpec.of(tokenizer),
        valid=source_of(corpus, "valid", path),
        documents=documents,
        reading=reading_of(corpus),
    )
    return dataset.train, dataset.valid
