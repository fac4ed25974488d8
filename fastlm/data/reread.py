"""Reopening the corpus of a checkpoint: what it says about its source, and the tokens it gives."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastlm.data.dataset import build_dataset
from fastlm.errors import ConfigError
from fastlm.text.decoding import Reading
from fastlm.tokenizers import Tokenizer
from fastlm.tokenizers.spec import TokenizerSpec
from fastlm.types import Documents, FilePath

__all__ = ["GIVEN", "describe_source", "reading_of", "reread_tokens", "source_of"]


def source_of(corpus: Mapping[str, Any], name: str, path: FilePath) -> Any:
    """The ``corpus`` of a checkpoint, or what is ``valid``, as ``fastlm.train`` takes it.

    corpus : what the checkpoint says about its corpus
    path : of the checkpoint, for messages

    Raises ConfigError where it has to be given again.
    """
    recipe = corpus["recipe"] or {}
    source = recipe.get(name, GIVEN)
    paths = isinstance(source, list) and all(isinstance(path, str) for path in source)
    if paths or source is None or (name == "valid" and isinstance(source, int | float)):
        return source
    option = "the corpus" if name == "corpus" else "--valid"
    raise ConfigError(
        f"{path} does not say where its {name} text is ({corpus['description']}); give {option} "
        "again to resume"
    )


# In place of a source that cannot be read again: standard input, and text from the caller.
GIVEN = "given"


def describe_source(corpus: Any, valid: Any, *, texts: bool) -> dict[str, Any]:
    """How to read a corpus again, from any folder; ``GIVEN`` for what has to be given again."""
    recipe: dict[str, Any] = {}
    for name, source in (("corpus", GIVEN if texts else corpus), ("valid", valid)):
        if source is None or source == GIVEN or isinstance(source, int | float):
            recipe[name] = source
            continue
        paths = [source] if isinstance(source, str | os.PathLike) else list(source)
        given = "-" in map(str, paths)
        recipe[name] = GIVEN if given else [str(Path(path).absolute()) for path in paths]
    return recipe


def reread_tokens(
    corpus: Mapping[str, Any], tokenizer: Tokenizer, documents: Documents, path: FilePath
) -> tuple[Any, Any]:
    """(tokens to train on, to validate on or None): the corpus of a checkpoint, read again.

    corpus, path : see ``source_of``
    """
    text = build_dataset(
        source_of(corpus, "corpus", path),
        TokenizerSpec.of(tokenizer),
        valid=source_of(corpus, "valid", path),
        documents=documents,
        reading=reading_of(corpus),
    )
    return text.train, text.valid


def reading_of(corpus: Mapping[str, Any]) -> Reading:
    """How the files of a checkpoint's corpus are read."""
    form = (corpus["recipe"] or {}).get("reading", {})
    known = form.keys() if isinstance(form, dict) else ()
    return Reading(**{key: form[key] for key in known if key in Reading.__dataclass_fields__})
